import type { OutputOffsets, OutputStream } from "./output-events.ts";
import { utf8 } from "./output-text.ts";

/** Keeps the first bytes of each stream, and counts what is left out. */
export class CollectedOutput {
  readonly #streams: Readonly<Record<OutputStream, CollectedStream>>;

  /** @param limit - bytes of each stream that are kept. */
  constructor(limit: number) {
    this.#streams = { stdout: new CollectedStream(limit), stderr: new CollectedStream(limit) };
  }

  /** The next bytes of a stream. They are copied: a view would keep the whole chunk in memory. */
  add(stream: OutputStream, bytes: Uint8Array): void {
    this.#streams[stream].add(bytes);
  }

  /** Bytes between the last ones and the next ones are missing. */
  gap(stream: OutputStream): void {
    this.#streams[stream].gap();
  }

  /** Bytes that do not arrive because the sender left them out behind the last ones. */
  cut(stream: OutputStream, bytes: number): void {
    this.#streams[stream].cut(bytes);
  }

  /** Bytes behind those that are kept. */
  get truncatedBytes(): OutputOffsets {
    return { stdout: this.#streams.stdout.truncated, stderr: this.#streams.stderr.truncated };
  }

  bytes(stream: OutputStream): Uint8Array {
    return this.#streams[stream].bytes;
  }

  /** A character whose rest is missing is U+FFFD. */
  text(stream: OutputStream): string {
    return this.#streams[stream].text();
  }
}

const FIRST_BYTES = 4096;

class CollectedStream {
  readonly #limit: number;
  #buffer = new Uint8Array(0);
  #length = 0;
  #truncated = 0;
  /** Where bytes are missing. */
  readonly #gaps: number[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get truncated(): number {
    return this.#truncated;
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  add(bytes: Uint8Array): void {
    const room = this.#truncated > 0 ? 0 : this.#limit - this.#length;
    const part = bytes.subarray(0, room);
    this.#reserve(this.#length + part.length);
    this.#buffer.set(part, this.#length);
    this.#length += part.length;
    this.cut(bytes.length - part.length);
  }

  gap(): void {
    if (this.#truncated === 0 && this.#gaps.at(-1) !== this.#length) this.#gaps.push(this.#length);
  }

  /** What is kept ends with a whole character, so that text stays text. */
  cut(bytes: number): void {
    if (bytes === 0) return;
    const unfinished = this.#truncated === 0 ? unfinishedBytes(this.bytes) : 0;
    this.#length -= unfinished;
    this.#truncated += bytes + unfinished;
  }

  text(): string {
    let [text, from] = ["", 0];
    for (const gap of [...this.#gaps, this.#length]) {
      const to = Math.min(gap, this.#length);
      text += utf8().decode(this.#buffer.subarray(from, to));
      from = to;
    }
    return text;
  }

  #reserve(length: number): void {
    if (length <= this.#buffer.length) return;
    const larger = new Uint8Array(
      Math.min(this.#limit, Math.max(FIRST_BYTES, length, 2 * this.#buffer.length)),
    );
    larger.set(this.bytes);
    this.#buffer = larger;
  }
}

/** Length of a character at the end of `bytes` whose rest is missing. */
function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte < 0xc2 || byte > 0xf4 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? back : 0;
  }
  return 0;
}
