import type { Clock } from "@wrenn/core";
import { buildLogQueries, buildQueries } from "@wrenn/database";
import type { BuildLine, BuildProgress, Database } from "@wrenn/database";
import type { PlannedStep } from "./recipe.ts";
import type { BuildReport, StepEnd } from "./template-builder.ts";

/** Of one build. Lines beyond either limit are counted, not kept. */
const MAX_LINES = 20_000;
const MAX_CHARS = 2 << 20;
/** Characters of one line; the rest of a longer one is not kept. */
const MAX_LINE = 4096;
const CUT = "… (cut)";
/** Lines that are written together. */
const AT_ONCE = 200;

export interface BuildRecorderDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly storing: BuildReport["storing"];
  /** Throws when the build is over. */
  readonly signal: AbortSignal;
  /** The build is no longer this control plane's. */
  readonly onLost: () => void;
}

interface CurrentStep extends PlannedStep {
  readonly startedAt: number;
  stdout: string;
  stderr: string;
}

/** Keeps what a builder reports: lines in groups, each step when it has ended. Everything is bounded. */
export class BuildRecorder implements BuildReport {
  readonly #deps: BuildRecorderDeps;
  readonly #id: string;
  readonly #owner: string;
  #step: CurrentStep | undefined;
  /** Begun lines of the current step. */
  readonly #begun = { stdout: "", stderr: "" };
  #pending: BuildLine[] = [];
  #dropped = 0;
  #seq = 0;
  #chars = 0;
  #writing: Promise<void> = Promise.resolve();

  /** @param build - its UUID, and that of the control plane that runs it. */
  constructor(deps: BuildRecorderDeps, build: { readonly id: string; readonly owner: string }) {
    this.#deps = deps;
    this.#id = build.id;
    this.#owner = build.owner;
  }

  async placed({ capsuleId, hostId }: Parameters<BuildReport["placed"]>[0]): Promise<void> {
    await this.#progress({ ...(capsuleId && { capsuleId }), ...(hostId && { hostId }) });
  }

  async stepStarted(step: PlannedStep): Promise<void> {
    this.#step = { ...step, startedAt: this.#deps.clock.monotonic(), stdout: "", stderr: "" };
    this.#add("system", step.cmd);
    await this.#progress({ currentStep: step.step });
  }

  async output(stream: "stdout" | "stderr", text: string): Promise<void> {
    this.#deps.signal.throwIfAborted();
    const lines = (this.#begun[stream] + clean(text)).split("\n");
    const last = lines.pop() ?? "";
    for (const line of lines) this.#addOutput(stream, line);
    // What is longer than a line may be is cut in any case.
    this.#begun[stream] = last.slice(0, MAX_LINE + 1);
    if (this.#pending.length >= AT_ONCE) await this.flush();
  }

  async stepEnded({ exit, ok, cached = false }: StepEnd): Promise<void> {
    const step = this.#step;
    if (!step) throw new Error("no step has started");
    this.#endLines();
    await this.flush();
    const elapsed = Math.round(this.#deps.clock.monotonic() - step.startedAt);
    await buildLogQueries.insertStep(this.#deps.database.db, this.#id, this.#owner, {
      step: step.step,
      phase: step.phase,
      cmd: step.cmd,
      stdout: step.stdout,
      stderr: step.stderr,
      exit: exit ?? null,
      ok,
      cached,
      elapsed_ms: elapsed,
    });
    this.#step = undefined;
    this.#deps.signal.throwIfAborted();
  }

  async storing(files: Parameters<BuildReport["storing"]>[0]): Promise<void> {
    this.#deps.signal.throwIfAborted();
    await this.#deps.storing(files);
  }

  /** Writes lines that wait; called periodically, and at the end. */
  async flush(): Promise<void> {
    const lines = this.#pending;
    const dropped = this.#dropped;
    this.#pending = [];
    this.#dropped = 0;
    this.#writing = this.#writing.then(async () => {
      const { database, onLost } = this.#deps;
      const isOurs =
        lines.length > 0 || dropped > 0
          ? await buildLogQueries.appendLines(database.db, this.#id, this.#owner, lines, dropped)
          : await buildQueries.recordProgress(database.db, this.#id, this.#owner, {});
      if (!isOurs) onLost();
    });
    await this.#writing;
    this.#deps.signal.throwIfAborted();
  }

  /** Begun lines end with the build. */
  async finish(): Promise<void> {
    this.#endLines();
    await this.flush();
  }

  async #progress(progress: BuildProgress): Promise<void> {
    const { database, onLost, signal } = this.#deps;
    signal.throwIfAborted();
    if (!(await buildQueries.recordProgress(database.db, this.#id, this.#owner, progress))) onLost();
    signal.throwIfAborted();
  }

  #endLines(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.#begun[stream] !== "") this.#addOutput(stream, this.#begun[stream]);
      this.#begun[stream] = "";
    }
  }

  #addOutput(stream: "stdout" | "stderr", line: string): void {
    const kept = this.#add(stream, line.replace(/\r$/, ""));
    if (kept !== undefined && this.#step) this.#step[stream] += `${kept}\n`;
  }

  /** @returns the line as it is kept; undefined when it is not. */
  #add(stream: BuildLine["stream"], line: string): string | undefined {
    const text = line.length > MAX_LINE ? line.slice(0, MAX_LINE).toWellFormed() + CUT : line;
    if (this.#seq >= MAX_LINES || this.#chars + text.length > MAX_CHARS) {
      this.#dropped++;
      return undefined;
    }
    this.#chars += text.length;
    const at = new Date(this.#deps.clock.now());
    this.#pending.push({ seq: this.#seq++, step: this.#step?.step ?? 0, stream, text, at });
    return text;
  }
}

/** Text that the database takes. */
function clean(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u{fffd}");
}
