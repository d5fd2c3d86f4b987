import type { ByteRange } from "@wrenn/protocol";

/**
 * The one range of a `Range` header (RFC 9110 §14). `undefined`: the whole content, also for headers that ask for several ranges or
 * are malformed, which a server may ignore.
 */
export function readRange(header: string | undefined): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") return { last: bounded(last) };
  const start = bounded(first);
  if (last === "") return { start };
  const end = bounded(last);
  return end < start ? undefined : { start, end };
}

/** What a range means for a file of this size. */
export function resolveRange(
  range: ByteRange,
  size: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" {
  const start = "last" in range ? Math.max(0, size - range.last) : range.start;
  const end = "last" in range ? size - 1 : Math.min(range.end ?? size, size - 1);
  return start > end ? "unsatisfiable" : { start, end };
}

function bounded(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);
}
