/** What the first bytes of a connection name; `unknown` for bytes that name nothing, whatever follows. */
export type DestinationReading =
  | { readonly state: "incomplete" }
  | { readonly state: "unknown" }
  | {
      readonly state: "named";
      readonly host: string;
      /** Request target; undefined where it cannot be read, as in TLS. */
      readonly target: string | undefined;
    };

/** Heads of browsers have less, with the cookies of a port. */
export const MAX_HEAD_BYTES = 16 << 10;

const REQUEST_LINE = /^[A-Z][A-Z-]{0,31} (\S+) HTTP\/1\.[01]\r?$/;
const HOST_FIELD = /^host:[ \t]*(\S+)[ \t]*\r?$/i;
const UPPER_A = 65;
const UPPER_Z = 90;

/**
 * Reads request target and Host of the first head of an HTTP/1 connection that comes in pieces. It only tells where a connection goes: the
 * parser that serves it decides what is a request. Each byte is looked at once.
 */
export class FirstHead {
  #line = "";
  #received = 0;
  #target: string | undefined;

  /** Takes the next bytes. After a result other than `incomplete` it takes no more. */
  push(piece: Buffer): DestinationReading {
    const first = piece[0] ?? UPPER_A;
    if (this.#received === 0 && (first < UPPER_A || first > UPPER_Z)) return { state: "unknown" };
    this.#received += piece.length;
    const [end = "", ...more] = piece.toString("latin1").split("\n");
    this.#line += end;
    for (const next of more) {
      const result = this.#take(this.#line);
      if (result) return result;
      this.#line = next;
    }
    return this.#received < MAX_HEAD_BYTES ? { state: "incomplete" } : { state: "unknown" };
  }

  #take(line: string): DestinationReading | undefined {
    if (this.#target === undefined) {
      this.#target = REQUEST_LINE.exec(line)?.[1];
      return this.#target === undefined ? { state: "unknown" } : undefined;
    }
    const host = HOST_FIELD.exec(line)?.[1];
    if (host !== undefined) return { state: "named", host, target: this.#target };
    return line === "" || line === "\r" ? { state: "unknown" } : undefined;
  }
}
