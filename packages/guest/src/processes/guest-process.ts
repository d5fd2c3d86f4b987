import { constants } from "node:os";
import { abortable, defined, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type {
  CapsuleProcess,
  HeldOutput,
  OutputStream,
  OutputEvent,
  OutputStart,
  ProcessExit,
  ProcessFacts,
} from "@wrenn/protocol";
import { guestChannel } from "@wrenn/protocol";
import type { Lane } from "../lane/lane.ts";
import { GuestRefusal } from "../lane/guest-refusal.ts";
import { generalError } from "../refusal-to-error.ts";
import type { Reclaimable } from "../memory/capsule-buffer.ts";
import { OutputIntake } from "./output-intake.ts";
import { LOG_CAPACITY, OutputLog } from "./output-log.ts";
import { ProcessDeadline } from "./process-deadline.ts";
import { ProcessInput } from "./process-input.ts";
import type { ProcessRecord } from "./process-record.ts";
import type { ProcessShares } from "./process-shares.ts";
import { ReaderAbsence } from "./reader-absence.ts";
import { DETACHED_RING } from "./start-request.ts";
import { OutputReader } from "./output-reader.ts";
import type { ReadableOutput } from "./output-reader.ts";
import { OutputReaders } from "./output-readers.ts";

const { SIGKILL, SIGTERM } = constants.signals;
/** A process whose time is up and that ignores SIGTERM is killed after this. */
const KILL_AFTER_MS = 2000;

export interface GuestProcessOptions {
  readonly handle: number;
  readonly facts: ProcessFacts;
  readonly attached: boolean;
  /** Attached only while it has readers, or had one lately. */
  readonly paced: boolean;
  readonly hasInput: boolean;
  readonly clock: Clock;
  /** What it may cost; closed when it is disposed of. */
  readonly shares: ProcessShares;
  /** Lane of requests, and lane of this process's bytes. */
  readonly control: Lane;
  readonly data: Lane;
  /** The process has ended and nothing more will come from the guest. */
  readonly onFinished: () => void;
}

interface Finished {
  readonly exit: ProcessExit;
  readonly final: Readonly<Record<OutputStream, number>>;
}

/** One process in the guest, with its output log on the host. */
export class GuestProcess implements CapsuleProcess, ReadableOutput, Reclaimable {
  readonly log = new OutputLog();
  readonly handle: number;
  #facts: ProcessFacts;
  readonly #options: GuestProcessOptions;
  readonly #intakes: Record<OutputStream, OutputIntake>;
  readonly #input: ProcessInput | undefined;
  readonly #readers: OutputReaders;
  readonly #absence: ReaderAbsence | undefined;
  readonly #deadline: ProcessDeadline | undefined;
  #isTimedOut = false;
  /** How much input it had that closed before this host agent knew it. */
  #closedInputAt: number | undefined;
  readonly #exit = Promise.withResolvers<ProcessExit>();
  readonly #gone = new AbortController();
  readonly #answered = Promise.withResolvers<void>();
  #finished: Finished | undefined;
  #failure: unknown;
  #settled = false;
  /** It prints nothing from now on. */
  #isKilled = false;

  constructor(options: GuestProcessOptions) {
    this.#options = options;
    this.handle = options.handle;
    this.#facts = options.facts;
    this.#exit.promise.catch(() => {});
    this.#readers = new OutputReaders(options.clock, () => this.readerMoved());
    const { data, handle, shares, clock, facts } = options;
    if (options.paced) this.#absence = new ReaderAbsence(clock, () => this.readerMoved());
    if (facts.timeoutMs !== undefined)
      this.#deadline = new ProcessDeadline(clock, facts.timeoutMs, () => void this.#timeOut());
    const intake = (name: OutputStream, number: number): OutputIntake =>
      new OutputIntake(
        { lane: data, log: this.log.streams[name], share: shares[name] },
        {
          streamId: guestChannel.streamId(handle, number),
          ring: shares.ring,
          unasked: options.attached ? shares.ring : DETACHED_RING,
          ahead: options.paced || facts.terminal ? shares.ring : LOG_CAPACITY,
          neverWaits: !options.attached,
        },
        {
          onData: (offset, bytes) => {
            this.log.append(name, offset, bytes);
            this.#admit(name);
          },
          onEnd: () => this.#streamEnded(),
          onFail: (cause) => this.fail(cause),
        },
      );
    this.#intakes = {
      stdout: intake("stdout", guestChannel.stream.output),
      stderr: intake("stderr", guestChannel.stream.errors),
    };
    if (options.hasInput)
      this.#input = new ProcessInput({ lane: data, buffer: shares.buffer }, handle, () => this.#selector());
  }

  /** Aborts when it is disposed of: nothing of it is waited for. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when the guest has started it, or when it is disposed of. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  get facts(): ProcessFacts {
    return {
      ...this.#facts,
      ...defined({ inputOffset: this.#input?.offset ?? this.#closedInputAt, exit: this.#finished?.exit }),
    };
  }

  get alive(): boolean {
    return this.#finished === undefined && this.#failure === undefined;
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  /** The guest started it. */
  started(pid: number): void {
    this.#facts = { ...this.#facts, pid };
    this.#answered.resolve();
    this.#input?.resume();
    this.#deadline?.run();
    this.#absence?.begin();
    this.readerMoved();
  }

  /** The capsule is paused: no time passes for the process. */
  suspend(): void {
    this.#deadline?.suspend();
  }

  resume(): void {
    this.#deadline?.run();
  }

  /**
   * Continues a process that an earlier link started: its log begins with the oldest bytes that the guest holds.
   *
   * @throws WrennError `guest_protocol` for offsets that no stream has.
   */
  recovered(record: ProcessRecord): void {
    for (const name of ["stdout", "stderr"] as const) {
      this.#intakes[name].inbound.startAt(record.oldest[name]);
      this.log.streams[name].skipTo(record.oldest[name]);
      this.#intakes[name].inbound.resume();
    }
    this.#input?.startAt(record.inputReceived);
    if (!this.#input && record.inputReceived > 0) this.#closedInputAt = record.inputReceived;
    if (record.cols > 0 && record.rows > 0) this.log.recordResize(record.cols, record.rows);
    this.started(record.pid);
  }

  /** The reaper's word, and how far the output reaches that the process itself wrote. */
  finish(exit: ProcessExit, final: Readonly<Record<OutputStream, number>>): void {
    if (this.#finished) return;
    this.#finished = { exit: this.#isTimedOut ? { ...exit, timedOut: true } : exit, final };
    this.#stopTimers();
    this.#exit.resolve(this.#finished.exit);
    this.#input?.end();
    // Without readers the rest of the output waits no longer.
    this.readerMoved();
    this.log.notify();
    this.#streamEnded();
  }

  /** Nothing more can be learned about this process. */
  fail(cause: unknown): void {
    // After the exit the rest of the output may still be missing.
    if (this.#finished && this.#isDelivered()) return;
    this.#failure ??= cause;
    this.#stopTimers();
    this.#exit.reject(cause);
    this.#input?.fail(cause);
    this.log.notify();
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The exit, once a reader at `position` has had everything the process wrote. */
  deliveredExit(position: Readonly<Record<OutputStream, number>>): ProcessExit | undefined {
    const finished = this.#finished;
    if (!finished) return undefined;
    const complete = position.stdout >= finished.final.stdout && position.stderr >= finished.final.stderr;
    return complete ? finished.exit : undefined;
  }

  async *output(from: OutputStart, signal: AbortSignal): AsyncGenerator<OutputEvent, void, undefined> {
    const reader = new OutputReader(this, from, this.#options.clock);
    this.#readers.add(reader);
    this.#absence?.end();
    try {
      yield* reader.events(signal);
    } finally {
      this.#readers.delete(reader);
      if (this.#readers.size === 0 && this.alive) this.#absence?.begin();
      this.readerMoved();
    }
  }

  async held(from: Readonly<Record<OutputStream, number>>, signal: AbortSignal): Promise<HeldOutput> {
    // The exit is known before the last bytes, which travel on another lane.
    while (this.#finished && !this.#isDelivered()) {
      this.throwFailure();
      await abortable(signal, this.log.changed);
    }
    const { stdout, stderr } = this.log.streams;
    return { stdout: stdout.read(from.stdout), stderr: stderr.read(from.stderr) };
  }

  async wait(signal: AbortSignal): Promise<ProcessExit> {
    return await abortable(signal, this.#exit.promise);
  }

  async write(bytes: Uint8Array, signal: AbortSignal, offset?: number): Promise<void> {
    signal.throwIfAborted();
    this.throwFailure();
    if (!this.#input || this.#finished) throw new WrennError("stdin_closed", { selector: this.#selector() });
    await this.#input.write(bytes, signal, offset);
  }

  async closeInput(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#input?.close(signal);
  }

  async kill(signalNumber: number, scope: "group" | "tree", signal: AbortSignal): Promise<void> {
    const body = new guestChannel.BodyWriter()
      .u32(this.handle)
      .u32(signalNumber)
      .u32(scope === "tree" ? 2 : 1);
    await this.#tolerateUnknown(
      this.#options.control.ask(guestChannel.operation.signal, body.finish(), signal),
    );
    if (signalNumber !== SIGKILL) return;
    // The guest reports the exit once it holds all output: without readers it needs room for that.
    this.#isKilled = true;
    this.readerMoved();
  }

  async resize(cols: number, rows: number, signal: AbortSignal): Promise<void> {
    if (!this.#facts.terminal) throw new WrennError("not_a_terminal", { selector: this.#selector() });
    const body = new guestChannel.BodyWriter().u32(this.handle).u16(cols).u16(rows);
    await this.#tolerateUnknown(
      this.#options.control.ask(guestChannel.operation.resize, body.finish(), signal),
    );
    this.log.recordResize(cols, rows);
  }

  /** Whether everything that the process wrote is here, as far as it comes at all. */
  #isDelivered(): boolean {
    if (this.#intakes.stdout.inbound.ended && this.#intakes.stderr.inbound.ended) return true;
    const { stdout, stderr } = this.log.streams;
    return this.deliveredExit({ stdout: stdout.end, stderr: stderr.end }) !== undefined;
  }

  /** A reader has taken bytes or left: the guest may send more. */
  readerMoved(): void {
    this.#admit("stdout");
    this.#admit("stderr");
  }

  /** Takes the streams out of their lanes. */
  dispose(): void {
    this.#gone.abort(new Error("the process is forgotten"));
    this.#answered.resolve();
    this.#stopTimers();
    this.#intakes.stdout.close();
    this.#intakes.stderr.close();
    this.#options.shares.close();
    this.#input?.dispose();
  }

  get inUse(): boolean {
    return this.#readers.size > 0;
  }

  /** Forgets the output, which is told to readers. */
  reclaim(): void {
    this.log.clear();
    this.#intakes.stdout.settle();
    this.#intakes.stderr.settle();
  }

  /** Its time is up. */
  async #timeOut(): Promise<void> {
    this.#isTimedOut = true;
    const gentle = AbortSignal.any([AbortSignal.timeout(KILL_AFTER_MS), this.#gone.signal]);
    try {
      await this.kill(SIGTERM, "tree", gentle);
      await this.wait(gentle);
    } catch {
      // Not yet ended; the second signal cannot be ignored.
    }
    try {
      // Also when the process itself is gone: what it started may still be there.
      await this.kill(SIGKILL, "tree", this.#gone.signal);
    } catch {
      // The link is closed, or the process was forgotten.
    }
  }

  #stopTimers(): void {
    this.#deadline?.stop();
    this.#absence?.end();
  }

  /**
   * How far the guest may send. Detached output never waits: the log drops its oldest bytes. Attached output goes at the pace
   * of its readers, and without one waits for the log to be read; a terminal without readers is like detached output, and so are a
   * process that was killed and a paced one whose readers have stayed away.
   */
  #admit(name: OutputStream): void {
    const { start, end } = this.log.streams[name];
    const isLeft = this.#absence?.isLong === true;
    const waits = !this.#facts.terminal && !this.#finished && !this.#isKilled && !isLeft;
    const base = this.#readers.size === 0 && waits ? start : end;
    this.#intakes[name].admit(Math.min(base, this.#reach(name)));
  }

  /**
   * Offset that readers have reached. A terminal prints little more than its first reader has taken, so that nothing of what was
   * printed stands before the answer to a key; others are waited for once the log no longer holds what they have not taken.
   */
  #reach(name: OutputStream): number {
    const pace = this.#readers.pace(name);
    if (!this.#facts.terminal) return pace;
    return Math.min(this.#readers.lead(name), pace + LOG_CAPACITY - this.#options.shares.ring);
  }

  #streamEnded(): void {
    if (
      this.#finished &&
      !this.#settled &&
      this.#intakes.stdout.inbound.ended &&
      this.#intakes.stderr.inbound.ended
    ) {
      this.#settled = true;
      this.#options.onFinished();
    }
    this.#intakes.stdout.settle();
    this.#intakes.stderr.settle();
    this.log.notify();
  }

  async #tolerateUnknown(request: Promise<unknown>): Promise<void> {
    try {
      await request;
    } catch (error) {
      // The process ended and was forgotten between the call and its arrival.
      if (!(error instanceof GuestRefusal)) throw error;
      if (error.status !== guestChannel.status.unknownHandle) throw generalError(error, "a signal or a size");
    }
  }

  #selector(): string {
    return this.#facts.tag ?? String(this.#facts.pid);
  }
}
