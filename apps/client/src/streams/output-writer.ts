import { escapeText } from "../output/escape-text.ts";
import type { Output, TextStream } from "../output/output.ts";

type OutputStream = "stdout" | "stderr";

/** What of a context it writes to. */
interface OutputContext {
  readonly output: Output;
  readonly terminal: Readonly<Record<OutputStream, TextStream>>;
}

/**
 * Passes the output of a program on to the same streams here: as it is, or with its controls escaped where that stream is a
 * terminal, except for ends of lines and tabs. Under `--json` each piece is a line.
 */
export class OutputWriter {
  readonly #context: OutputContext;
  readonly #isRaw: boolean;
  readonly #held = { stdout: "", stderr: "" };
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };

  constructor(context: OutputContext, isRaw: boolean) {
    this.#context = context;
    this.#isRaw = isRaw;
  }

  write(stream: OutputStream, bytes: Uint8Array): void {
    const { output, terminal } = this.#context;
    if (output.isJson || (terminal[stream].isTTY === true && !this.#isRaw))
      this.#text(stream, this.#decoders[stream].decode(bytes, { stream: true }));
    else if (bytes.length > 0) terminal[stream].write(bytes);
  }

  /** Bytes that the server no longer has. */
  dropped(stream: OutputStream, bytes: number): void {
    if (bytes === 0) return;
    const { output } = this.#context;
    if (output.isJson) output.item({ stream, droppedBytes: bytes }, () => "");
    else output.note(`wrenn: ${bytes} bytes of ${stream} are no longer kept`);
  }

  /** What is left of characters that were cut. */
  end(): void {
    for (const stream of ["stdout", "stderr"] as const)
      this.#text(stream, this.#decoders[stream].decode(), true);
  }

  exit(exit: { readonly exitCode: number; readonly signal?: number }): void {
    this.end();
    if (this.#context.output.isJson) this.#context.output.item({ exit }, () => "");
  }

  #text(stream: OutputStream, text: string, isLast = false): void {
    const { output, terminal } = this.#context;
    if (output.isJson) {
      if (text !== "") output.item({ stream, text }, () => "");
      return;
    }
    // A carriage return waits for what follows: before an end of line it belongs to that.
    const whole = this.#held[stream] + text;
    this.#held[stream] = whole.endsWith("\r") && !isLast ? "\r" : "";
    const ready = whole.slice(0, whole.length - this.#held[stream].length);
    if (ready !== "") terminal[stream].write(escapeProgramText(ready));
  }
}

/** A carriage return before an end of line belongs to it: terminals write both. */
export function escapeProgramText(text: string): string {
  return text
    .split(/(\r?\n|\t)/)
    .map((part, at) => (at % 2 === 1 ? part : escapeText(part)))
    .join("");
}
