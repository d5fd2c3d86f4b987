/**
 * The name of a file as text. Bytes that are not UTF-8 become U+DC80 + (byte − 0x80), one each, so that every name has a text and
 * every such text its name (Python's "surrogateescape", PEP 383).
 */
export function textOfBytes(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd")) return text;
  let out = "";
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      out += String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
      at++;
    } else {
      out += bytes.toString("utf8", at, at + length);
      at += length;
    }
  }
  return out;
}

/** Length of the well-formed UTF-8 sequence at `at`; 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  const length =
    first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  return bytes.toString("utf8", at, at + length).includes("\ufffd") ? 0 : length;
}
