import { constants } from "node:os";
import { abortable, defined, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { CapsuleProcess, CapsuleProcesses, ProcessFacts, StartRequest } from "@wrenn/protocol";
import type { Lane } from "../lane/lane.ts";
import { GuestRefusal } from "../lane/guest-refusal.ts";
import { generalError, startError } from "../refusal-to-error.ts";
import { GuestProcess } from "./guest-process.ts";
import type { CapsuleBuffer } from "../memory/capsule-buffer.ts";
import { decodeLabel, encodeLabel, labelCost } from "./process-label.ts";
import { readProcessRecord } from "./process-record.ts";
import type { ProcessRecord } from "./process-record.ts";
import { reserveProcess } from "./process-shares.ts";
import type { ProcessKind, ProcessShares } from "./process-shares.ts";
import { DEFAULT_SIZE, encodeStart } from "./start-request.ts";

/** Exited processes stay readable this long, or until this many newer ones have exited. */
const KEEP_EXITED_MS = 10 * 60_000;
const KEEP_EXITED = 100;
/** Processes that are known at a time, live and exited. */
export const PROCESS_LIMIT = 2048;
/** So many of them survive a restart of the host agent. Each holds a ring of guest memory. */
const KEEP_IN_GUEST = 16;

const SCOPE_TREE = 2;

export interface ProcessTableOptions {
  readonly control: Lane;
  readonly bulk: Lane;
  readonly buffer: CapsuleBuffer;
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
    const { control, clock, buffer } = this.#options;
    const tag = request.tag ?? this.#newTag(request.terminal ? "pty-" : "proc-");
    if (this.#liveByTag(tag)) throw new WrennError("tag_in_use", { tag });
    this.#prune();
    if (request.unusedTag === true && this.#byTag(tag).length > 0) throw new WrennError("tag_used", { tag });
    if (this.#processes.size >= PROCESS_LIMIT)
      throw new WrennError("guest_busy", { problem: `it has ${PROCESS_LIMIT} processes` });
    const handle = this.#newHandle();
    const isAttached = request.output !== "detached";
    const isPaced = request.output === "paced";
    const { cmd, args, timeoutMs, note } = request;
    const label = encodeLabel({
      tag,
      cmd,
      args,
      startedAt: clock.now(),
      attached: isAttached,
      ...(isPaced ? { paced: true } : {}),
      ...defined({ timeoutMs, note }),
    });
    // The command line is kept as the label has it, however long the request's is.
    const { attached: _attached, paced: _paced, ...shown } = decodeLabel(label);
    const facts: ProcessFacts = { ...shown, pid: 0, terminal: request.terminal !== undefined };
    const shares = reserveProcess(buffer, labelCost(label, shown), kindOf(isAttached, facts.terminal));
    const mode = { attached: isAttached, paced: isPaced };
    const process = this.#add(handle, facts, shares, mode, request.stdin || facts.terminal);
    if (facts.terminal)
      process.log.recordResize(
        request.terminal?.cols ?? DEFAULT_SIZE.cols,
        request.terminal?.rows ?? DEFAULT_SIZE.rows,
      );
    let isSent = (): boolean => false;
    try {
      const body = encodeStart(request, { handle, ring: shares.ring, label });
      // WAIT follows at once on the same lane: an exit is never missed, and never waits for a second round trip.
      const started = control.begin(guestChannel.operation.start, body, signal);
      ({ isSent } = started);
      this.#follow(process);
      const answer = await started.answer;
      process.started(answer.u32());
      return process;
    } catch (error) {
      const mayRun = isSent();
      this.#remove(handle);
      if (mayRun) this.#discard(handle);
      throw startError(error, { cmd: request.cmd, cwd: request.cwd ?? "~", user: request.user ?? "root" });
    }
  }

  /** Takes over the processes that earlier links started and that the guest still knows, exited ones included. */
  async recover(signal: AbortSignal): Promise<void> {
    // The guest lists the newest first.
    for (const record of (await this.#listed(signal)).toReversed()) {
      if (this.#processes.size >= PROCESS_LIMIT)
        throw new WrennError("guest_protocol", { problem: `a list of more than ${PROCESS_LIMIT} processes` });
      if (!this.#processes.has(record.handle)) this.#takeOver(record);
    }
  }

  /** How many readers follow the output of live processes. */
  get readers(): number {
    let count = 0;
    for (const process of this.#processes.values()) if (process.alive) count += process.readerCount;
    return count;
  }

  /** The capsule is paused: no time passes for its processes until {@link resume}. */
  suspend(): void {
    for (const process of this.#processes.values()) process.suspend();
  }

  resume(): void {
    for (const process of this.#processes.values()) process.resume();
  }

  /** Forgets every process that the guest knows, whichever link started it. Resolves when the guest has. */
  async forgetAll(signal: AbortSignal): Promise<void> {
    for (const { handle } of await this.#listed(signal)) this.#drop(handle);
    const [left] = await this.#listed(signal);
    if (left) throw new WrennError("guest_protocol", { problem: `process ${left.pid} is not forgotten` });
  }

  async find(selector: string, signal: AbortSignal): Promise<CapsuleProcess> {
    for (;;) {
      const process = this.#bySelector(selector);
      if (!process) throw new WrennError("process_not_found", { selector });
      if (process.facts.pid !== 0) return process;
      // Whether it starts is not known yet: a client that asks whether it was started gets no wrong answer.
      await abortable(signal, process.answered);
    }
  }

  #bySelector(selector: string): GuestProcess | undefined {
    const byPid = /^\d{1,10}$/.test(selector) && Number(selector) <= 0xff_ff_ff_ff;
    const matches = [...this.#processes.values()].filter(({ facts }) =>
      byPid ? facts.pid === Number(selector) : facts.tag === selector,
    );
    return matches.find((match) => match.alive) ?? matches.at(-1);
  }

  async list(): Promise<readonly ProcessFacts[]> {
    return [...this.#processes.values()]
      .filter((process) => process.alive && process.facts.pid !== 0)
      .map((process) => process.facts);
  }

  async recent(): Promise<readonly ProcessFacts[]> {
    return [...this.#processes.values()].map(({ facts }) => facts).filter(({ pid }) => pid !== 0);
  }

  async #listed(signal: AbortSignal): Promise<readonly ProcessRecord[]> {
    const answer = await this.#options.control.ask(guestChannel.operation.list, new Uint8Array(), signal);
    return answer.list(() => readProcessRecord(answer));
  }

  #takeOver(record: ProcessRecord): void {
    const { handle, pid, terminal } = record;
    try {
      const { attached, paced = false, ...label } = decodeLabel(record.label);
      const shares = reserveProcess(
        this.#options.buffer,
        labelCost(record.label, label),
        kindOf(attached, terminal),
      );
      const mode = { attached, paced };
      const process = this.#add(handle, { ...label, pid, terminal }, shares, mode, !record.inputEnded);
      process.recovered(record);
      this.#follow(process);
    } catch (error) {
      this.#remove(handle);
      this.#options.logger.warn("guest.process_not_recovered", { handle, pid, problem: String(error) });
    }
  }

  #add(
    handle: number,
    facts: ProcessFacts,
    shares: ProcessShares,
    { attached, paced }: { readonly attached: boolean; readonly paced: boolean },
    hasInput: boolean,
  ): GuestProcess {
    const { control, bulk, clock } = this.#options;
    const process = new GuestProcess({
      handle,
      facts,
      attached,
      paced,
      hasInput,
      clock,
      shares,
      control,
      data: facts.terminal ? control : bulk,
      onFinished: () => this.#finished(handle, (attached && !paced) || facts.terminal),
    });
    this.#processes.set(handle, process);
    return process;
  }

  /** Waits for the exit of a process; one whose exit cannot be learned is kept as long as one that has exited. */
  #follow(process: GuestProcess): void {
    const body = new guestChannel.BodyWriter().u32(process.handle).finish();
    this.#options.control
      .ask(guestChannel.operation.wait, body, process.gone)
      .then((answer) => this.#exitedNow(process, answer))
      .catch((error: unknown) => {
        process.fail(error instanceof GuestRefusal ? generalError(error, "waiting for a process") : error);
        this.#ended(process);
      });
  }

  #exitedNow(process: GuestProcess, answer: guestChannel.BodyReader): void {
    const code = answer.u32();
    const killedBy = answer.u32();
    const final = { stdout: answer.u64(), stderr: answer.u64() };
    process.finish(
      killedBy === 0 ? { exitCode: code } : { exitCode: 128 + killedBy, signal: killedBy },
      final,
    );
    this.#ended(process);
  }

  #ended(process: GuestProcess): void {
    if (process.gone.aborted) return;
    this.#exited.set(process.handle, this.#options.clock.now());
    this.#options.buffer.addReclaimable(process);
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
    const body = new guestChannel.BodyWriter().u32(handle).finish();
    this.#options.control.tell(guestChannel.operation.forget, body);
  }

  /** Nobody heard whether it was started: if it was, it ends. */
  #discard(handle: number): void {
    const body = new guestChannel.BodyWriter().u32(handle).u32(constants.signals.SIGKILL).u32(SCOPE_TREE);
    this.#options.control.tell(guestChannel.operation.signal, body.finish());
    this.#forget(handle);
  }

  #prune(): void {
    const oldest = this.#options.clock.now() - KEEP_EXITED_MS;
    for (const [handle, at] of this.#exited) {
      if (this.#exited.size <= KEEP_EXITED && at >= oldest) return;
      this.#drop(handle);
    }
  }

  #drop(handle: number): void {
    this.#exited.delete(handle);
    this.#remove(handle);
    // Descendants may still hold its pipes, or it is one of those that the guest keeps.
    this.#forget(handle);
  }

  #remove(handle: number): void {
    const process = this.#processes.get(handle);
    if (!process) return;
    this.#options.buffer.removeReclaimable(process);
    process.dispose();
    this.#processes.delete(handle);
  }

  #liveByTag(tag: string): boolean {
    return this.#byTag(tag).some(({ alive }) => alive);
  }

  #byTag(tag: string): readonly GuestProcess[] {
    return [...this.#processes.values()].filter(({ facts }) => facts.tag === tag);
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

function kindOf(isAttached: boolean, isTerminal: boolean): ProcessKind {
  if (!isAttached) return "detached";
  return isTerminal ? "terminal" : "attached";
}
