import { stat } from "node:fs/promises";
import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { ProcessIdentity } from "@wrenn/system";
import { jailCommand } from "../jail/jailed-program.ts";
import type { JailedProgram } from "../jail/jailed-program.ts";
import { ZygoteProcess } from "./zygote-process.ts";
import type { ZygoteProgram } from "./zygote-process.ts";

/** How many machines share one layout of addresses. */
export const MACHINES_PER_LAYOUT = 64;
/** Milliseconds during which machines with one layout of addresses are started. */
export const LAYOUT_MS = 30 * 60_000;

/** A QEMU on a disk that sleeps takes seconds to load. */
const READY_MS = 30_000;
/** A jail takes 5 ms, and on a host with many machines tens of them. */
const ANSWER_MS = 10_000;
/** A zygote that did not start is tried again by the first request after this time. */
const RETRY_MS = 60_000;

/** How machines start: forked from a loaded QEMU, or executed. */
export type MachineStartMode = "zygote" | "exec";

export interface MachineZygoteOptions extends ZygoteProgram {
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Ready {
  readonly kind: "ready";
  readonly process: ZygoteProcess;
  readonly files: string;
  started: number;
}

type State =
  | { readonly kind: "starting"; process?: ZygoteProcess }
  | Ready
  | { readonly kind: "failed"; readonly problem: string; readonly retryAt: number };

/**
 * Forks machines from a QEMU that is loaded and has not begun. Whatever keeps it from doing so is logged once, and the machine is
 * executed instead: while the zygote starts or begins again, and where there is none.
 */
export class MachineZygote implements Disposable {
  readonly #options: MachineZygoteOptions;
  readonly #closed = new AbortController();
  #state: State = { kind: "failed", problem: "it was not started", retryAt: 0 };
  #settled: Promise<void> = Promise.resolve();
  /** What the log says last about how machines start. */
  #reported: string | undefined;

  constructor(options: MachineZygoteOptions) {
    this.#options = options;
  }

  /** Starts the process, in the background. Without it the first request does. */
  start(): void {
    if (this.#state.kind === "failed") this.#begin();
  }

  /** How machines start, once that is known, and why they are executed. */
  async settled(): Promise<{ readonly way: MachineStartMode; readonly problem?: string }> {
    await this.#settled;
    return this.#state.kind === "failed" ? { way: "exec", problem: this.#state.problem } : { way: "zygote" };
  }

  /**
   * Forks a machine. The request is not given up when the caller is: the machine belongs to the caller, who ends it.
   *
   * @returns the process, or why it is to be executed: `unused` when nothing was tried, `abandoned` when something of the attempt may
   *   still be in the program's directory, but will not run.
   * @throws WrennError `machine_start_failed` with the jail's own words; nothing runs then.
   */
  async fork(request: JailedProgram): Promise<ProcessIdentity | "unused" | "abandoned"> {
    const process = await this.#take(request);
    if (!process) return "unused";
    let answer: string | undefined;
    try {
      answer = await process.request(jailCommand(request), ANSWER_MS);
    } catch {
      // Its end is reported by itself.
      return "abandoned";
    }
    if (answer === undefined) return "unused";
    if (answer.startsWith("{")) return JSON.parse(answer) as ProcessIdentity;
    if (answer.startsWith("wrenn-jail: "))
      throw new WrennError("machine_start_failed", { problem: answer.trim() });
    process.close();
    this.#end(process, answer.trim() || "a machine ended before it ran");
    return "abandoned";
  }

  /** Lets the process end. Its machines are not touched. */
  [Symbol.dispose](): void {
    this.#closed.abort();
    if (this.#state.kind !== "failed") this.#state.process?.close();
  }

  /** The process, for one machine; undefined while there is none. */
  async #take({ program: [program] }: JailedProgram): Promise<ZygoteProcess | undefined> {
    if (program !== this.#options.program || this.#closed.signal.aborted) return undefined;
    const state = this.#state;
    if (state.kind === "failed" && this.#options.clock.monotonic() >= state.retryAt) this.start();
    if (state.kind !== "ready") return undefined;
    const files = await this.#fileVersions().catch(() => "missing");
    if (this.#state !== state) return undefined;
    const isCurrent = files === state.files && state.started < MACHINES_PER_LAYOUT;
    if (isCurrent) state.started++;
    // The renewal is sent after files were looked at, and so after the request.
    if (!isCurrent || state.started === MACHINES_PER_LAYOUT) this.#begin(state.process);
    return isCurrent ? state.process : undefined;
  }

  /** Starts a process, or lets this one begin again. */
  #begin(process?: ZygoteProcess): void {
    if (!this.#closed.signal.aborted) this.#settled = this.#becomeReady(process);
  }

  async #becomeReady(old: ZygoteProcess | undefined): Promise<void> {
    const starting: State = { kind: "starting", ...defined({ process: old }) };
    this.#state = starting;
    try {
      // Before they are loaded: what changes later is a change.
      const files = await this.#fileVersions();
      if (this.#state !== starting || this.#closed.signal.aborted) return;
      const process = old ?? this.#spawn();
      starting.process = process;
      await (old ? process.renew(READY_MS) : process.ready(READY_MS));
      if (this.#state !== starting) return;
      const ready: Ready = { kind: "ready", process, files, started: 0 };
      this.#state = ready;
      this.#report("zygote");
      void this.#renewLater(ready);
    } catch (error) {
      if (this.#state === starting) this.#fail(problemOf(error), RETRY_MS);
    }
  }

  #spawn(): ZygoteProcess {
    const process = new ZygoteProcess(this.#options, this.#options.clock);
    void process.ended.then((problem) => this.#end(process, problem));
    return process;
  }

  async #renewLater(state: Ready): Promise<void> {
    try {
      await this.#options.clock.sleep(LAYOUT_MS, this.#closed.signal);
      if (this.#state === state) this.#begin(state.process);
    } catch {
      // It was closed.
    }
  }

  /** One that worked is replaced at the next request. */
  #end(process: ZygoteProcess, problem: string): void {
    if (this.#state.kind === "ready" && this.#state.process === process) this.#fail(problem, 0);
  }

  #fail(problem: string, retryMs: number): void {
    if (this.#closed.signal.aborted) return;
    if (this.#state.kind === "starting") this.#state.process?.close();
    this.#state = { kind: "failed", problem, retryAt: this.#options.clock.monotonic() + retryMs };
    this.#report("exec", problem);
  }

  #report(way: MachineStartMode, problem?: string): void {
    const report = `${way} ${problem ?? ""}`;
    if (report === this.#reported) return;
    this.#reported = report;
    if (problem === undefined) this.#options.logger.info("host.machine_start", { way });
    else this.#options.logger.warn("host.machine_start", { way, problem });
  }

  async #fileVersions(): Promise<string> {
    const { program, library, preloaded } = this.#options;
    const versions = await Promise.all([program, library, ...preloaded].map(fileVersion));
    return versions.join(" ");
  }
}

async function fileVersion(path: string): Promise<string> {
  const { dev, ino, size, mtimeMs } = await stat(path);
  return `${dev}/${ino}/${size}/${mtimeMs}`;
}
