import type { TarEntry } from "../tar/tar-entry.ts";
import { TreeError } from "./tree-error.ts";

/** What Linux accepts. */
const MAX_NAME = 255;
const MAX_VALUE = 64 * 1024;
/** What ext4 has room for in one file. */
const MAX_TOTAL = 64 * 1024;

const NONE: ReadonlyMap<string, Uint8Array> = new Map();

/**
 * The extended attributes that a file of a guest keeps: capabilities and those of users, where Linux allows them. Others, such as labels
 * of SELinux, mean something only on the machine that wrote them.
 *
 * @throws TreeError where one is longer than Linux allows.
 */
export function keptXattrs({ type, xattrs }: TarEntry): ReadonlyMap<string, Uint8Array> {
  if (xattrs.size === 0) return NONE;
  const kept = new Map<string, Uint8Array>();
  let total = 0;
  for (const [name, value] of xattrs) {
    const isKept =
      (name === "security.capability" && type === "file") ||
      (name.startsWith("user.") && name.length > 5 && (type === "file" || type === "directory"));
    if (!isKept) continue;
    total += name.length + value.length;
    if (name.length > MAX_NAME || value.length > MAX_VALUE || total > MAX_TOTAL)
      throw new TreeError("its extended attributes are longer than Linux allows");
    kept.set(name, value);
  }
  return kept.size === 0 ? NONE : kept;
}
