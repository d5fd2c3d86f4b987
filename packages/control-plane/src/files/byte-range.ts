import type { ByteRange } from "@wrenn/protocol";

/**
 * The one range of a `Range` header (RFC 9110 §14) against a size. `undefined`: the whole content, also for headers that ask
 * for several ranges or are malformed, which a server may ignore.
 */
export function readRange(
  header: string | undefined,
  size: number,
): (ByteRange & { readonly end: number }) | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const suffix = Math.min(Number(last), size);
    return suffix === 0 ? "unsatisfiable" : { start: size - suffix, end: size - 1 };
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}
