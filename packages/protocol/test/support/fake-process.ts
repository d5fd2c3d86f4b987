import { abortable, Bell, defined, WrennError } from "@wrenn/core";
import type {
  CapsuleProcess,
  HeldOutput,
  KillScope,
  OutputEvent,
  OutputOffsets,
  OutputStart,
  OutputStream,
  ProcessExit,
  ProcessFacts,
  StartRequest,
} from "@wrenn/protocol";

/** What a fake program can do. */
export interface ProgramIo {
  readonly args: readonly string[];
  readonly print: (bytes: Uint8Array | string, stream?: OutputStream) => void;
  readonly exit: (exitCode: number) => void;
  readonly onInput: (take: (bytes: Uint8Array) => void, end: () => void) => void;
}

export type Program = (io: ProgramIo) => void;

/** What a program that takes no input leaves in the pipe before its writers wait. */
const PIPE_BYTES = 1 << 17;

/** A process whose program is a function. Output is kept from its first byte. */
export class FakeProcess implements CapsuleProcess {
  readonly #facts: ProcessFacts;
  readonly #events: OutputEvent[] = [];
  readonly #end: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  readonly #exit = Promise.withResolvers<ProcessExit>();
  #exited: ProcessExit | undefined;
  #failure: unknown;
  readonly #hasInput: boolean;
  #inputOpen: boolean;
  /** Bytes of input that were taken. */
  #inputEnd = 0;
  #takeInput: ((bytes: Uint8Array) => void) | undefined;
  #endInput: () => void = () => undefined;
  /** Bytes in the pipe of a program that takes none, and everything that waits for room in it. */
  #unread = 0;
  #inputWaits = false;
  readonly #change = new Bell();

  constructor(pid: number, tag: string, request: StartRequest, program: Program) {
    const { cmd, args, terminal, timeoutMs } = request;
    this.#facts = {
      pid,
      tag,
      cmd,
      args,
      terminal: terminal !== undefined,
      startedAt: Date.now(),
      ...defined({ timeoutMs }),
    };
    this.#hasInput = request.stdin || terminal !== undefined;
    this.#inputOpen = this.#hasInput;
    if (timeoutMs !== undefined)
      setTimeout(() => this.exit({ exitCode: 143, signal: 15, timedOut: true }), timeoutMs).unref();
    this.#exit.promise.catch(() => undefined);
    if (terminal) this.#emit({ type: "resized", ...terminal });
    program({
      args,
      print: (bytes, stream = "stdout") => this.#print(Buffer.from(bytes), stream),
      exit: (exitCode) => this.exit({ exitCode }),
      onInput: (take, end) => {
        this.#takeInput = take;
        this.#endInput = end;
      },
    });
  }

  get facts(): ProcessFacts {
    const inputOffset = this.#hasInput ? this.#inputEnd : undefined;
    return { ...this.#facts, ...defined({ inputOffset, exit: this.#exited }) };
  }

  get alive(): boolean {
    return this.#exited === undefined && this.#failure === undefined;
  }

  exit(exit: ProcessExit): void {
    if (!this.alive) return;
    this.#exited = exit;
    this.#exit.resolve(exit);
    this.#change.ring();
  }

  /** Nothing more can be learned about it: its capsule is gone. */
  fail(cause: unknown): void {
    if (!this.alive) return;
    this.#failure = cause;
    this.#exit.reject(cause);
    this.#change.ring();
  }

  async *output(from: OutputStart, signal: AbortSignal): AsyncGenerator<OutputEvent> {
    const position =
      from === "now" ? { ...this.#end } : from === "oldest" ? { stdout: 0, stderr: 0 } : { ...from };
    for (let next = from === "now" ? this.#events.length : 0; ;) {
      signal.throwIfAborted();
      const event = this.#events[next];
      if (event) {
        next++;
        const rest = event.type === "data" ? restOf(event, position[event.stream]) : event;
        if (rest) yield rest;
      } else if (this.#exited) {
        yield { type: "exit", exit: this.#exited };
        return;
      } else if (this.#failure === undefined) await abortable(signal, this.#change.next);
      else throw this.#failure;
    }
  }

  async held(from: OutputOffsets): Promise<HeldOutput> {
    return { stdout: this.#held("stdout", from.stdout), stderr: this.#held("stderr", from.stderr) };
  }

  async wait(signal: AbortSignal): Promise<ProcessExit> {
    return await abortable(signal, this.#exit.promise);
  }

  async write(given: Uint8Array, signal: AbortSignal, offset = this.#inputEnd): Promise<void> {
    signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#inputOpen || !this.alive) throw this.#stdinClosed();
    if (offset > this.#inputEnd) {
      const selector = this.#facts.tag ?? String(this.#facts.pid);
      throw new WrennError("input_offset_differs", { selector, expected: this.#inputEnd });
    }
    const bytes = given.subarray(this.#inputEnd - offset);
    if (this.#takeInput) {
      this.#inputEnd += bytes.length;
      this.#takeInput(bytes);
      return;
    }
    const accepted = this.#inputWaits ? 0 : Math.min(PIPE_BYTES - this.#unread, bytes.length);
    this.#unread += accepted;
    this.#inputEnd += accepted;
    if (accepted < bytes.length) await this.#untilRead(accepted, bytes.length, signal);
  }

  async closeInput(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#inputOpen || !this.alive) return;
    if (this.#inputWaits) await this.#untilRead(0, 0, signal).catch(rethrowUnlessClosed);
    this.#inputOpen = false;
    this.#endInput();
  }

  /** Its program never reads: only the signal or the exit ends the wait. */
  async #untilRead(accepted: number, bytes: number, signal: AbortSignal): Promise<never> {
    const waitedBefore = this.#inputWaits;
    this.#inputWaits = true;
    const selector = this.#facts.tag ?? String(this.#facts.pid);
    try {
      await abortable(signal, this.#exit.promise);
    } catch (cause) {
      this.#inputWaits = waitedBefore;
      throw this.#failure ?? new WrennError("input_not_read", { selector, accepted, bytes }, { cause });
    }
    throw this.#stdinClosed();
  }

  #stdinClosed(): WrennError {
    return new WrennError("stdin_closed", { selector: this.#facts.tag ?? String(this.#facts.pid) });
  }

  async kill(signalNumber: number, _scope: KillScope, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.exit({ exitCode: 128 + signalNumber, signal: signalNumber });
  }

  async resize(cols: number, rows: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { terminal, tag, pid } = this.#facts;
    if (!terminal) throw new WrennError("not_a_terminal", { selector: tag ?? String(pid) });
    this.#emit({ type: "resized", cols, rows });
  }

  #print(bytes: Uint8Array, stream: OutputStream): void {
    if (bytes.length === 0) return;
    this.#emit({ type: "data", stream, offset: this.#end[stream], bytes });
    this.#end[stream] += bytes.length;
  }

  #held(stream: OutputStream, from: number): HeldOutput["stdout"] {
    const parts: Uint8Array[] = [];
    for (const event of this.#events) {
      const rest = event.type === "data" && event.stream === stream ? restOf(event, from) : undefined;
      if (rest) parts.push(rest.bytes);
    }
    return { offset: Math.min(from, this.#end[stream]), bytes: Buffer.concat(parts) };
  }

  #emit(event: OutputEvent): void {
    this.#events.push(event);
    this.#change.ring();
  }
}

type DataEvent = Extract<OutputEvent, { readonly type: "data" }>;

/** The part of an event that a reader from `position` on has not had. */
function restOf(event: DataEvent, position: number): DataEvent | undefined {
  const skip = Math.max(0, position - event.offset);
  if (skip >= event.bytes.length) return undefined;
  return skip === 0 ? event : { ...event, offset: event.offset + skip, bytes: event.bytes.subarray(skip) };
}

function rethrowUnlessClosed(error: unknown): void {
  if (!WrennError.is(error, "stdin_closed")) throw error;
}
