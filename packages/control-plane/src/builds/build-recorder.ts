import type { Clock } from "@wrenn/core";
import { buildLogQueries, buildQueries } from "@wrenn/database";
import type { BuildDurations, BuildLine, BuildProgress, BuildStep, Database, LineEnd } from "@wrenn/database";
import { KeptLines, StepOutput } from "./kept-lines.ts";
import { SecretMask } from "./secret-mask.ts";
import type { BuildReport, OwnPhase, ReportedStep, StepEnd } from "./template-builder.ts";

/** Of the log of one build its first and its last lines are kept, so many of each. */
const KEPT = { lines: 10_000, chars: 1 << 20 };
/** Characters of one line; the rest of a longer one is not kept. */
const MAX_LINE = 4096;
const CUT = "… (cut)";
/** Characters of each stream of a step that are kept of its beginning, and of its end. */
const STEP_CHARS = 64 << 10;
/** Likewise, once the outputs of the steps of a build have `MAX_OUTPUTS` characters. */
const LATER_STEP_CHARS = 4 << 10;
const MAX_OUTPUTS = 4 << 20;
/** Lines that are written together. */
const AT_ONCE = 500;

const streams = ["stdout", "stderr"] as const;

/** Of each phase what it is called in the log, and in the durations of a build. */
const phases = {
  import: { text: "importing the image", field: "import_ms" },
  settle: { text: "settling", field: "settle_ms" },
  freeze: { text: "freezing", field: "freeze_ms" },
  "smoke test": { text: "testing", field: "smoke_test_ms" },
} as const satisfies Readonly<Record<OwnPhase, { text: string; field: keyof BuildDurations }>>;

export interface BuildRecorderDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly storing: BuildReport["storing"];
  /** Throws when the build is over. */
  readonly signal: AbortSignal;
  /** The build is no longer this control plane's. */
  readonly onLost: () => void;
}

/** The build that is recorded. */
export interface RecordedBuild {
  /** Its UUID. */
  readonly id: string;
  /** UUID of the control plane that runs it. */
  readonly owner: string;
  /** What is `***` in everything that is recorded, as in {@link SecretMask}; default: nothing. */
  readonly secrets?: readonly string[];
}

interface CurrentStep extends ReportedStep {
  readonly startedAt: number;
  readonly stdout: StepOutput;
  readonly stderr: StepOutput;
}

/** Keeps what a builder reports: lines in groups, each step when it has ended. Everything is bounded, and without secrets. */
export class BuildRecorder implements BuildReport {
  readonly #deps: BuildRecorderDeps;
  readonly #id: string;
  readonly #owner: string;
  readonly #mask: SecretMask;
  readonly #masked;
  #step: CurrentStep | undefined;
  #phase: { readonly name: OwnPhase; readonly startedAt: number } | undefined;
  #durations: BuildDurations = {};
  /** Begun lines of the current step. */
  readonly #begun = { stdout: "", stderr: "" };
  #pending: BuildLine[] = [];
  readonly #kept = new KeptLines(KEPT);
  #seq = 0;
  /** Lines before this one that are not kept are deleted, and counted in the build. */
  #deletedTo = 0;
  /** Characters of outputs of steps that have ended. */
  #outputs = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: BuildRecorderDeps, { id, owner, secrets = [] }: RecordedBuild) {
    this.#deps = deps;
    this.#id = id;
    this.#owner = owner;
    this.#mask = new SecretMask(secrets);
    this.#masked = { stdout: this.#mask.stream(), stderr: this.#mask.stream() };
  }

  async placed({ capsuleId, hostId }: Parameters<BuildReport["placed"]>[0]): Promise<void> {
    await this.#progress({ ...(capsuleId && { capsuleId }), ...(hostId && { hostId }) });
  }

  async stepStarted({ step, phase, cmd: whole }: ReportedStep): Promise<void> {
    const chars = this.#outputs < MAX_OUTPUTS ? STEP_CHARS : LATER_STEP_CHARS;
    const cmd = this.#mask.mask(whole);
    this.#step = {
      step,
      phase,
      cmd,
      startedAt: this.#deps.clock.monotonic(),
      stdout: new StepOutput(chars),
      stderr: new StepOutput(chars),
    };
    this.#add("system", cmd);
    await this.#progress({ currentStep: step });
  }

  async output(stream: "stdout" | "stderr", text: string): Promise<void> {
    this.#deps.signal.throwIfAborted();
    this.#addText(stream, this.#masked[stream].take(text));
    if (this.#pending.length >= AT_ONCE) await this.flush();
  }

  async stepEnded({ exit, ok, cached = false }: StepEnd): Promise<void> {
    const step = this.#step;
    if (!step) throw new Error("no step has started");
    this.#endLines();
    const ended = { ok, cached, elapsed_ms: this.#since(step.startedAt) };
    this.#addEnd(ended);
    this.#step = undefined;
    const [stdout, stderr] = [String(step.stdout), String(step.stderr)];
    this.#outputs += stdout.length + stderr.length;
    const { phase, cmd } = step;
    await this.#flush({ step: step.step, phase, cmd, stdout, stderr, exit: exit ?? null, ...ended });
  }

  async phaseStarted(name: OwnPhase): Promise<void> {
    this.#deps.signal.throwIfAborted();
    this.#phase = { name, startedAt: this.#deps.clock.monotonic() };
    this.#add("system", phases[name].text);
  }

  async phaseEnded({ ok }: { readonly ok: boolean }): Promise<void> {
    const phase = this.#phase;
    if (!phase) throw new Error("no phase has started");
    const elapsed = this.#since(phase.startedAt);
    const { field } = phases[phase.name];
    this.#phase = undefined;
    this.#durations = { ...this.#durations, [field]: (this.#durations[field] ?? 0) + elapsed };
    this.#addEnd({ ok, cached: false, elapsed_ms: elapsed });
    await this.flush();
  }

  async storing(files: Parameters<BuildReport["storing"]>[0]): Promise<void> {
    this.#deps.signal.throwIfAborted();
    await this.#deps.storing(files);
  }

  /** Writes lines that wait; called periodically, and at the end. Lines that could not be written are kept for the next time. */
  async flush(): Promise<void> {
    await this.#flush();
  }

  /** Begun lines end with the build. */
  async finish(): Promise<void> {
    this.#endLines();
    await this.flush();
  }

  async #flush(step?: BuildStep): Promise<void> {
    const write = async (): Promise<void> => await this.#write(step);
    this.#writing = this.#writing.then(write, write);
    await this.#writing;
    this.#deps.signal.throwIfAborted();
  }

  async #write(step?: BuildStep): Promise<void> {
    const { database, onLost } = this.#deps;
    const pending = this.#pending;
    this.#pending = [];
    // As it is now: lines that are added while these are written belong to the next time.
    const { tailAt, dropped } = this.#kept;
    const lines = pending.filter(({ seq }) => this.#kept.isKept(seq));
    try {
      const isOurs =
        pending.length > 0 || step
          ? await buildLogQueries.appendLines(database.db, this.#id, this.#owner, {
              lines,
              deleted: { from: Math.max(this.#deletedTo, this.#kept.headEnd), to: tailAt, count: dropped },
              durations: this.#durations,
              step,
            })
          : await buildQueries.recordProgress(database.db, this.#id, this.#owner, {});
      this.#deletedTo = tailAt;
      if (!isOurs) onLost();
    } catch (error) {
      this.#pending = [...pending, ...this.#pending];
      throw error;
    }
  }

  async #progress(progress: BuildProgress): Promise<void> {
    const { database, onLost, signal } = this.#deps;
    signal.throwIfAborted();
    if (!(await buildQueries.recordProgress(database.db, this.#id, this.#owner, progress))) onLost();
    signal.throwIfAborted();
  }

  /** Milliseconds. */
  #since(startedAt: number): number {
    return Math.round(this.#deps.clock.monotonic() - startedAt);
  }

  #addText(stream: "stdout" | "stderr", text: string): void {
    const lines = (this.#begun[stream] + text).split("\n");
    const last = lines.pop() ?? "";
    for (const line of lines) this.#addOutput(stream, line);
    // What is longer than a line may be is cut in any case.
    this.#begun[stream] = last.slice(0, MAX_LINE + 1);
  }

  #endLines(): void {
    for (const stream of streams) {
      this.#addText(stream, this.#masked[stream].end());
      if (this.#begun[stream] !== "") this.#addOutput(stream, this.#begun[stream]);
      this.#begun[stream] = "";
    }
  }

  #addOutput(stream: "stdout" | "stderr", line: string): void {
    const text = this.#add(stream, line.replace(/\r$/, ""));
    this.#step?.[stream].add(text);
  }

  #addEnd(ended: LineEnd): void {
    const seconds = (ended.elapsed_ms / 1000).toFixed(1);
    const text = ended.ok ? (ended.cached ? "cached" : `done in ${seconds} s`) : `failed after ${seconds} s`;
    this.#add("system", text, ended);
  }

  /** @returns the line as it is kept. */
  #add(stream: BuildLine["stream"], line: string, ended: LineEnd | null = null): string {
    const text = clean(line.length > MAX_LINE ? line.slice(0, MAX_LINE) + CUT : line);
    this.#kept.add(text.length);
    const seq = this.#seq++;
    const at = new Date(this.#deps.clock.now());
    this.#pending.push({ seq, step: this.#step?.step ?? 0, stream, text, at, ended });
    return text;
  }
}

/** Text that the database takes. */
function clean(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u{fffd}");
}
