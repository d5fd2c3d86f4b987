/** Bounds of a JSON text beside its length. */
export interface JsonBounds {
  /** How many values it may have, objects and lists included. */
  readonly values: number;
  /** How deep they may be nested. */
  readonly depth: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Counts the values of a JSON text before it is parsed: a few bytes become an object of a hundred bytes, so that a length alone does
 * not bound the memory that parsing takes. Text that is not JSON is found by the parser.
 *
 * @throws RangeError for a text with more values or deeper ones.
 */
export function requireBoundedJson(text: Uint8Array, bounds: JsonBounds): void {
  let values = 1;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        if (++depth > bounds.depth)
          throw new RangeError(`values are nested too deep (${bounds.depth} is the limit)`);
        values++;
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth--;
        break;
      case COMMA:
        values++;
        break;
      case undefined:
      default:
    }
    if (values > bounds.values) throw new RangeError(`too many values (${bounds.values} is the limit)`);
  }
}

/** The place of the quote that ends the string which begins at `from`, or the end of the text. */
function endOfString(text: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
}
