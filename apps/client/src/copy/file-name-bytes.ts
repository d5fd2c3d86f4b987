import { join } from "node:path";
import { ClientError } from "../errors/client-error.ts";

/** A byte of a name that is not UTF-8, as text. */
const LONE_BYTE = /([\udc80-\udcff])/u;
/** What names on Windows cannot have. */
const NOT_ON_WINDOWS = /[<>:"\\|?*\p{Cc}]|[. ]$/u;

/** A path of this machine: bytes where its name is not UTF-8. */
export type LocalPath = string | Buffer;

/** The name as text; each byte that is not UTF-8 is one of U+DC80 to U+DCFF. */
export function nameOf(bytes: Buffer): string {
  const text = bytes.toString();
  if (Buffer.from(text).equals(bytes)) return text;
  let name = "";
  for (let at = 0; at < bytes.length;) {
    const length = sequenceAt(bytes, at);
    name +=
      length === 0 ? String.fromCharCode(0xdc00 + (bytes[at] ?? 0)) : bytes.toString("utf8", at, at + length);
    at += Math.max(length, 1);
  }
  return name;
}

/** The bytes of text that {@link nameOf} made. */
export function bytesOf(text: string): Buffer {
  const parts = text.split(LONE_BYTE);
  return Buffer.concat(
    // The pattern captures what it splits at: every second part is a lone byte.
    parts.map((part, at) => (at % 2 === 1 ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part))),
  );
}

/**
 * The path of an entry below a directory of this machine.
 *
 * @param relative - parts joined by `/`, as an entry of a copy has them.
 * @throws ClientError `name_not_possible` for a name that leads out of the directory or that this system cannot have.
 */
export function localPath(root: string, relative: string): LocalPath {
  if (relative === "") return root;
  const parts = relative.split("/");
  for (const part of parts) {
    const isOutside = part === "" || part === "." || part === ".." || part.includes("\0");
    if (isOutside || (process.platform === "win32" && NOT_ON_WINDOWS.test(part)))
      throw new ClientError(
        "failed",
        "name_not_possible",
        `'${relative}' cannot be a name on this system`,
        "Rename it in the capsule.",
      );
  }
  const path = join(root, ...parts);
  return process.platform !== "win32" && LONE_BYTE.test(path) ? bytesOf(path) : path;
}

/** Bytes of the UTF-8 sequence there; 0 where none begins. */
function sequenceAt(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const slice = bytes.subarray(at, at + length);
  return slice.length === length && Buffer.from(slice.toString()).equals(slice) ? length : 0;
}
