import type { FileVersion } from "@wrenn/protocol";

const OURS = /^"([0-9a-z]{1,13})-([0-9a-z]{1,11})-(-?[0-9a-z]{1,13})"$/;
/** One tag of a list, with what is before the next one (RFC 9110 §8.8.3). */
const TAG = /[ \t]*(W\/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|$)|[ \t]*(?:,|$)/gy;
const U64 = 2n ** 64n;

interface EntityTag {
  readonly isWeak: boolean;
  /** With its quotes. */
  readonly opaque: string;
}

/** `*`, or the tags of `If-Match` or `If-None-Match`; undefined for a malformed list, and for one without a tag. */
export function readTags(header: string): "*" | readonly EntityTag[] | undefined {
  if (header.trim() === "*") return "*";
  const tags: EntityTag[] = [];
  let end = 0;
  for (const match of header.matchAll(TAG)) {
    end = match.index + match[0].length;
    if (match[2] !== undefined) tags.push({ isWeak: match[1] !== undefined, opaque: match[2] });
    if (end === header.length) break;
  }
  return end === header.length && tags.length > 0 ? tags : undefined;
}

/** Changes with every write through the API and with every other change of size, time or file. */
export function entityTag(entry: FileVersion): string {
  return `"${entry.inode.toString(36)}-${entry.size.toString(36)}-${entry.modifiedNs.toString(36)}"`;
}

/** The version that a tag stands for; undefined for a tag that {@link entityTag} never gives. */
export function versionOf({ opaque }: EntityTag): FileVersion | undefined {
  const [, inode = "", size = "", modified = ""] = OURS.exec(opaque) ?? [];
  if (inode === "") return undefined;
  const version = { inode: numberOf(inode), size: Number.parseInt(size, 36), modifiedNs: numberOf(modified) };
  const isTooLarge = version.inode >= U64 || BigInt.asIntN(64, version.modifiedNs) !== version.modifiedNs;
  return isTooLarge || !Number.isSafeInteger(version.size) || entityTag(version) !== opaque
    ? undefined
    : version;
}

function numberOf(text: string): bigint {
  const digits = text.replace("-", "");
  const value = Array.from(digits).reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n);
  return text.startsWith("-") ? -value : value;
}
