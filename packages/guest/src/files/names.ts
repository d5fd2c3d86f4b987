import { WrennError } from "@wrenn/core";

const PATH_LIMIT = 4096;
const LONE_BYTE = /[\udc80-\udcff]/u;

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
