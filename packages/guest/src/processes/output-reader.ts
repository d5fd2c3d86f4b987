import { abortable } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { OutputEvent, OutputStart, OutputStream, ProcessExit } from "@wrenn/protocol";
import type { OutputLog } from "./output-log.ts";

const PART = 65_536;
const outputStreams: readonly OutputStream[] = ["stdout", "stderr"];

/** The output of a process, and how it ended. */
export interface ReadableOutput {
  readonly log: OutputLog;
  /** A reader has taken bytes. */
  readerMoved(): void;
  /** The exit, once a reader at `position` has had everything that the process wrote. */
  deliveredExit(position: Readonly<Record<OutputStream, number>>): ProcessExit | undefined;
  /** @throws the error that ended the link to the process. */
  throwFailure(): void;
}

/** One reader's place in a process's output. */
export class OutputReader {
  readonly #output: ReadableOutput;
  readonly #position: Record<OutputStream, number>;
  readonly #clock: Clock;
  #nextResize: number;
  #lastTaken: number;

  constructor(output: ReadableOutput, from: OutputStart, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
    this.#lastTaken = clock.monotonic();
    const { streams } = output.log;
    const start = (stream: OutputStream): number => {
      // What fell out of the log before this reader came is announced to it as dropped.
      if (from === "oldest") return 0;
      return from === "now" ? streams[stream].end : from[stream];
    };
    this.#position = { stdout: start("stdout"), stderr: start("stderr") };
    // The size in force at the first byte is told too.
    this.#nextResize = output.log.resizeAt(this.#position.stdout);
  }

  /** Offset up to which this reader has taken a stream. */
  position(stream: OutputStream): number {
    return this.#position[stream];
  }

  /** When this reader came for more, on the monotonic clock, ms. */
  get lastTaken(): number {
    return this.#lastTaken;
  }

  /** Everything from here to the exit; not taking the next event is back-pressure. */
  async *events(signal: AbortSignal): AsyncGenerator<OutputEvent, void, undefined> {
    for (;;) {
      const { changed } = this.#output.log;
      this.#lastTaken = this.#clock.monotonic();
      const events = this.#available();
      for (const event of events) yield event;
      this.#output.readerMoved();
      if (events.length > 0) continue;
      const exit = this.#output.deliveredExit(this.#position);
      if (exit) {
        yield { type: "exit", exit };
        return;
      }
      this.#output.throwFailure();
      await abortable(signal, changed);
    }
  }

  #available(): OutputEvent[] {
    const events: OutputEvent[] = [];
    for (const stream of outputStreams) this.#take(stream, events);
    return events;
  }

  #take(stream: OutputStream, events: OutputEvent[]): void {
    const log = this.#output.log.streams[stream];
    const position = this.#position[stream];
    if (position < log.start) {
      events.push({ type: "dropped", stream, from: position, to: log.start });
      this.#position[stream] = log.start;
    }
    const at = this.#position[stream];
    const until = stream === "stdout" ? this.#takeResize(at, events) : Infinity;
    const { offset, bytes } = log.read(at, Math.min(PART, until - at));
    if (bytes.length === 0) return;
    events.push({ type: "data", stream, offset, bytes });
    this.#position[stream] = offset + bytes.length;
  }

  /** Tells resizes that are due at `position`; returns the offset of the next one. */
  #takeResize(position: number, events: OutputEvent[]): number {
    for (;;) {
      const resize = this.#output.log.resizeFrom(this.#nextResize);
      if (!resize) return Infinity;
      if (resize.offset > position) return resize.offset;
      events.push({ type: "resized", cols: resize.cols, rows: resize.rows });
      this.#nextResize = resize.number + 1;
    }
  }
}
