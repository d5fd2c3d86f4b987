/** As in native/zygote/src/requests.h and answers.h. */
const HEADER_BYTES = 8;
const REQUEST_BYTES = 65_536;
const ANSWER_BYTES = 4096;
const WORDS = 512;

/** What the zygote sends. */
export interface ZygoteAnswer {
  /** Of the request; 0 when the zygote is ready, at first and after each renewal. */
  readonly id: number;
  readonly text: string;
}

/** The bytes of a request; undefined when the zygote would refuse it for its size. */
export function encodeRequest(id: number, words: readonly string[]): Buffer | undefined {
  if (words.some((word) => word.includes("\0"))) return undefined;
  const text = Buffer.from(words.map((word) => `${word}\0`).join(""));
  if (words.length > WORDS || text.length > REQUEST_BYTES) return undefined;
  return Buffer.concat([header(text.length, id), text]);
}

/** Asks the zygote to begin again, with other addresses. */
export function encodeRenewal(): Buffer {
  return header(0, 0);
}

function header(length: number, id: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(id, 4);
  return bytes;
}

/** Takes answers apart, however their bytes arrive. */
export class AnswerReader {
  #rest = Buffer.alloc(0);

  /** @throws Error for an answer that is longer than any. */
  read(bytes: Buffer): readonly ZygoteAnswer[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const answers: ZygoteAnswer[] = [];
    while (this.#rest.length >= HEADER_BYTES) {
      const length = this.#rest.readUInt32LE(0);
      if (length > ANSWER_BYTES) throw new Error(`it sends an answer of ${length} bytes`);
      const end = HEADER_BYTES + length;
      if (this.#rest.length < end) break;
      answers.push({
        id: this.#rest.readUInt32LE(4),
        text: this.#rest.toString("utf8", HEADER_BYTES, end),
      });
      this.#rest = this.#rest.subarray(end);
    }
    return answers;
  }
}
