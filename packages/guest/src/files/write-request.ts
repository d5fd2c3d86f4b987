import type { WriteOptions } from "@wrenn/protocol";

export const DEFAULT_FILE_MODE = 0o644;

const FLAG_PARENTS = 1;
const FLAG_EXCLUSIVE = 2;

/** Flags of WRITE and UPLOAD_CREATE (docs/reference/guest-protocol.md): missing directories are always made. */
export function writeFlags({ exclusive = false }: Pick<WriteOptions, "exclusive">): number {
  return FLAG_PARENTS | (exclusive ? FLAG_EXCLUSIVE : 0);
}
