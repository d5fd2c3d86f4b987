import { abortable } from "@wrenn/core";
import type { CapsuleProcess, OutputEvent, OutputStart } from "@wrenn/protocol";

/**
 * Output of a terminal for one client over several connections: what the client has not acknowledged is kept, and what follows is
 * not read until a connection takes it. So a connection that breaks loses nothing, and the program waits meanwhile.
 *
 * One connection reads at a time.
 */
export class SessionOutput {
  readonly #events: AsyncIterator<OutputEvent>;
  readonly #ended = new AbortController();
  /** Read by a connection and not acknowledged, in order. */
  #unacknowledged: OutputEvent[] = [];
  #acknowledged: number;
  /** Offset of the byte behind what was read. */
  #end: number;
  /** The next event, which a connection asked for that may be gone. */
  #next: Promise<IteratorResult<OutputEvent, unknown>> | undefined;
  #hasFailed = false;

  /** @param from - begins there; `oldest` counts from 0, with what is not kept as dropped. */
  constructor(process: CapsuleProcess, from: OutputStart) {
    this.#events = process.output(from, this.#ended.signal)[Symbol.asyncIterator]();
    this.#end = startOf(from);
    this.#acknowledged = this.#end;
  }

  /** Whether {@link output} can begin at this offset. */
  holds(from: number): boolean {
    return !this.#hasFailed && from >= this.#acknowledged && from <= this.#end;
  }

  /** As `CapsuleProcess.output`, from an offset that {@link holds}. */
  async *output(from: OutputStart, signal: AbortSignal): AsyncGenerator<OutputEvent, void, undefined> {
    // An acknowledgement makes another array of the rest.
    for (const event of this.#unacknowledged) {
      const rest = restOf(event, startOf(from));
      if (rest) yield rest;
    }
    for (;;) {
      signal.throwIfAborted();
      this.#next ??= this.#read();
      const { done, value } = await abortable(signal, this.#next);
      this.#next = undefined;
      if (done === true) return;
      this.#unacknowledged.push(value);
      this.#end = Math.max(this.#end, endOf(value) ?? 0);
      yield value;
    }
  }

  /** The client has everything up to this offset. */
  acknowledge(offset: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(offset, this.#end));
    const isAcknowledged = (event: OutputEvent): boolean => (endOf(event) ?? Infinity) <= this.#acknowledged;
    // A size has no length: it was received when something behind it was.
    this.#unacknowledged = this.#unacknowledged.slice(this.#unacknowledged.findLastIndex(isAcknowledged) + 1);
  }

  /** Nothing is read or kept any longer. */
  close(): void {
    this.#hasFailed = true;
    this.#unacknowledged = [];
    this.#ended.abort(new Error("the output is no longer held"));
    this.#events.return?.().catch(() => undefined);
  }

  async #read(): Promise<IteratorResult<OutputEvent, unknown>> {
    try {
      return await this.#events.next();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }
}

/** Offset of standard output, which is that of a terminal. */
function startOf(from: OutputStart): number {
  return typeof from === "string" ? 0 : from.stdout;
}

/** Offset behind what has a length. */
function endOf(event: OutputEvent): number | undefined {
  if (event.type === "data") return event.offset + event.bytes.length;
  return event.type === "dropped" ? event.to : undefined;
}

/** What of an event is behind an offset. */
function restOf(event: OutputEvent, from: number): OutputEvent | undefined {
  const end = endOf(event);
  if (end === undefined) return event;
  if (end <= from) return undefined;
  if (event.type !== "data" || event.offset >= from) return event;
  return { ...event, offset: from, bytes: event.bytes.subarray(from - event.offset) };
}
