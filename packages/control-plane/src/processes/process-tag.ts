import { WrennError } from "@wrenn/core";

const MAX_BYTES = 256;
const CONTROL = /\p{Cc}/u;

/**
 * The tag of a process: any text that can be addressed in a path, percent-encoded. Digits are process ids, and "." and ".." are resolved
 * away by clients.
 *
 * @returns undefined for "": the default. @throws WrennError `invalid_field`.
 */
export function processTag(tag: string | undefined): string | undefined {
  if (tag === undefined || tag === "") return undefined;
  const problem = problemOf(tag);
  if (problem !== undefined) throw new WrennError("invalid_field", { field: "tag", problem });
  return tag;
}

function problemOf(tag: string): string | undefined {
  if (Buffer.byteLength(tag) > MAX_BYTES) return `must have at most ${MAX_BYTES} bytes`;
  if (CONTROL.test(tag) || !tag.isWellFormed())
    return "must not contain control characters or halves of characters";
  if (/^\d+$/.test(tag)) return "must not consist of digits only: these are process ids";
  if (tag === "." || tag === "..") return "must not be . or ..: paths cannot carry them";
  return undefined;
}
