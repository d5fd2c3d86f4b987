import { WrennError } from "@wrenn/core";

const PATH_LIMIT = 4096;
const LONE_BYTE = /[\udc80-\udcff]/u;

/**
 * A file name as text. Bytes that are not UTF-8 become U+DC80 + (byte − 0x80), one each, so that every name has a text
 * and every such text its name (Python's "surrogateescape", PEP 383).
 */
export function decodeName(bytes: Buffer): string {
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

/**
 * The bytes of a path.
 *
 * @throws WrennError `path_invalid` when it is empty, too long, holds NUL, or half a surrogate pair that stands for no byte.
 */
export function encodePath(path: string): Buffer {
  if (path === "") throw new WrennError("path_invalid", { problem: "it is empty" });
  if (path.includes("\0")) throw new WrennError("path_invalid", { problem: "it holds a NUL" });
  const bytes =
    LONE_BYTE.test(path) || !path.isWellFormed() ? encodeEscaped(path) : Buffer.from(path, "utf8");
  if (bytes.length > PATH_LIMIT)
    throw new WrennError("path_invalid", {
      problem: `it has ${bytes.length} bytes, ${PATH_LIMIT} are allowed`,
    });
  return bytes;
}

function encodeEscaped(path: string): Buffer {
  const parts: Buffer[] = [];
  for (const character of path) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(Buffer.from([code - 0xdc00]));
    else if (code >= 0xd800 && code <= 0xdfff)
      throw new WrennError("path_invalid", { problem: "it holds half a surrogate pair" });
    else parts.push(Buffer.from(character, "utf8"));
  }
  return Buffer.concat(parts);
}

/** Length of the well-formed UTF-8 sequence at `at`; 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  const length =
    first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  return bytes.toString("utf8", at, at + length).includes("\ufffd") ? 0 : length;
}
