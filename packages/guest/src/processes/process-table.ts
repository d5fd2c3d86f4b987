import { constants } from "node:os";
import { randomHex, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { CapsuleProcess, CapsuleProcesses, ProcessFacts, StartRequest } from "@wrenn/protocol";
import type { Lane } from "../lane/lane.ts";
import { startError } from "../refusal-to-error.ts";
import { GuestProcess } from "./guest-process.ts";
import { decodeLabel } from "./process-label.ts";
import { readProcessRecord } from "./process-record.ts";
import type { ProcessRecord } from "./process-record.ts";
import { DEFAULT_SIZE, encodeStart } from "./start-request.ts";

/** Exited processes stay readable this long, or until this many newer ones have exited. */
const KEEP_EXITED_MS = 10 * 60_000;
const KEEP_EXITED = 100;
/** So many of them survive a restart of the host agent. Each holds a ring of guest memory. */
const KEEP_IN_GUEST = 16;

const SCOPE_TREE = 2;

export interface ProcessTableOptions {
  readonly control: Lane;
  readonly bulk: Lane;
  readonly nextHandle: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/** The processes that were started through this link. */
export class ProcessTable implements CapsuleProcesses {
  readonly #options: ProcessTableOptions;
  readonly #processes = new Map<number, GuestProcess>();
  /** Handles of exited processes and when they ended, oldest first. */
  readonly #exited = new Map<number, number>();
  /** Handles of exited processes that the guest still knows, oldest first. */
  readonly #inGuest = new Set<number>();

  constructor(options: ProcessTableOptions) {
    this.#options = options;
  }

  async start(request: StartRequest, signal: AbortSignal): Promise<CapsuleProcess> {
    const { control, clock } = this.#options;
    const tag = request.tag ?? this.#newTag(request.terminal ? "pty-" : "proc-");
    if (this.#liveByTag(tag)) throw new WrennError("tag_in_use", { tag });
    const handle = this.#newHandle();
    const facts: ProcessFacts = {
      pid: 0,
      tag,
      cmd: request.cmd,
      args: request.args,
      terminal: request.terminal !== undefined,
      startedAt: clock.now(),
    };
    const process = this.#add(handle, facts, request.output === "attached", request.stdin || facts.terminal);
    if (facts.terminal)
      process.log.recordResize(
        request.terminal?.cols ?? DEFAULT_SIZE.cols,
        request.terminal?.rows ?? DEFAULT_SIZE.rows,
      );
    try {
      // WAIT follows at once on the same lane: an exit is never missed, and never waits for a second round trip.
      const started = control.request(
        guestChannel.operation.start,
        encodeStart(handle, request, facts),
        signal,
      );
      void this.#await(process).catch((error: unknown) => process.fail(error));
      const answer = await started;
      process.started(answer.u32());
      return process;
    } catch (error) {
      this.#processes.delete(handle);
      process.dispose();
      this.#discard(handle);
      throw startError(error, { cmd: request.cmd, cwd: request.cwd ?? "~", user: request.user ?? "root" });
    }
  }

  /** Takes over the processes that earlier links started and that the guest still knows, exited ones included. */
  async recover(signal: AbortSignal): Promise<void> {
    const answer = await this.#options.control.request(guestChannel.operation.list, new Uint8Array(), signal);
    // The guest lists the newest first.
    for (const record of answer.list(() => readProcessRecord(answer)).toReversed()) {
      if (!this.#processes.has(record.handle)) this.#takeOver(record);
    }
  }

  /** How many readers follow the output of live processes. */
  get readers(): number {
    let count = 0;
    for (const process of this.#processes.values()) if (process.alive) count += process.readerCount;
    return count;
  }

  async find(selector: string): Promise<CapsuleProcess> {
    const byPid = /^\d{1,10}$/.test(selector) && Number(selector) <= 0xff_ff_ff_ff;
    const matches = [...this.#processes.values()].filter(({ facts }) =>
      byPid ? facts.pid === Number(selector) : facts.tag === selector,
    );
    const process = matches.find((match) => match.alive) ?? matches.at(-1);
    if (!process || process.facts.pid === 0) throw new WrennError("process_not_found", { selector });
    return process;
  }

  async list(): Promise<readonly ProcessFacts[]> {
    return [...this.#processes.values()]
      .filter((process) => process.alive && process.facts.pid !== 0)
      .map((process) => process.facts);
  }

  #takeOver(record: ProcessRecord): void {
    const { handle, pid, terminal } = record;
    try {
      const { attached, ...label } = decodeLabel(record.label);
      const process = this.#add(handle, { ...label, pid, terminal }, attached, !record.inputEnded);
      process.recovered(record);
      void this.#await(process).catch((error: unknown) => process.fail(error));
    } catch (error) {
      this.#options.logger.warn("guest.process_not_recovered", { handle, pid, problem: String(error) });
    }
  }

  #add(handle: number, facts: ProcessFacts, attached: boolean, hasInput: boolean): GuestProcess {
    const { control, bulk, clock } = this.#options;
    const process = new GuestProcess({
      handle,
      facts,
      attached,
      hasInput,
      clock,
      control,
      data: facts.terminal ? control : bulk,
      onFinished: () => this.#finished(handle, attached || facts.terminal),
    });
    this.#processes.set(handle, process);
    return process;
  }

  async #await(process: GuestProcess): Promise<void> {
    const body = new guestChannel.BodyWriter().u32(process.handle).finish();
    this.#exitedNow(process, await this.#options.control.request(guestChannel.operation.wait, body));
  }

  #exitedNow(process: GuestProcess, answer: guestChannel.BodyReader): void {
    const code = answer.u32();
    const killedBy = answer.u32();
    const final = { stdout: answer.u64(), stderr: answer.u64() };
    process.finish(
      killedBy === 0 ? { exitCode: code } : { exitCode: 128 + killedBy, signal: killedBy },
      final,
    );
    this.#exited.set(process.handle, this.#options.clock.now());
    this.#prune();
  }

  /** All its output is here. Of the processes in the background the guest keeps the last ones, for a host that starts anew. */
  #finished(handle: number, gone: boolean): void {
    if (gone) this.#forget(handle);
    else this.#inGuest.add(handle);
    for (const oldest of this.#inGuest) {
      if (this.#inGuest.size <= KEEP_IN_GUEST) break;
      this.#forget(oldest);
    }
  }

  /** The guest needs to know nothing of it any more. */
  #forget(handle: number): void {
    this.#inGuest.delete(handle);
    this.#tell(guestChannel.operation.forget, new guestChannel.BodyWriter().u32(handle));
  }

  /** Nobody heard whether it was started: if it was, it ends. */
  #discard(handle: number): void {
    this.#tell(
      guestChannel.operation.signal,
      new guestChannel.BodyWriter().u32(handle).u32(constants.signals.SIGKILL).u32(SCOPE_TREE),
    );
    this.#forget(handle);
  }

  /** An order whose answer nobody waits for; a guest that is gone has forgotten everything anyway. */
  #tell(op: number, body: guestChannel.BodyWriter): void {
    this.#options.control.request(op, body.finish()).catch((error: unknown) => {
      this.#options.logger.debug("guest.order_failed", { op, problem: String(error) });
    });
  }

  #prune(): void {
    const oldest = this.#options.clock.now() - KEEP_EXITED_MS;
    for (const [handle, at] of this.#exited) {
      if (this.#exited.size <= KEEP_EXITED && at >= oldest) return;
      this.#exited.delete(handle);
      this.#processes.get(handle)?.dispose();
      this.#processes.delete(handle);
      // Descendants may still hold its pipes, or it is one of those that the guest keeps.
      this.#forget(handle);
    }
  }

  #liveByTag(tag: string): boolean {
    return [...this.#processes.values()].some((process) => process.alive && process.facts.tag === tag);
  }

  #newHandle(): number {
    for (;;) {
      const handle = this.#options.nextHandle();
      if (!this.#processes.has(handle)) return handle;
    }
  }

  #newTag(prefix: string): string {
    for (;;) {
      const tag = prefix + randomHex(this.#options.random, 4);
      if (!this.#liveByTag(tag)) return tag;
    }
  }
}
