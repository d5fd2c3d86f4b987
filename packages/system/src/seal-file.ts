import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** Everybody reads it, nobody writes it. */
const SEALED = 0o444;

/**
 * Makes a file root's and read-only, for good. Owner and rights are changed on the descriptor of what was looked at, never by a path.
 *
 * @throws the operating system's error, ELOOP for a link; TypeError for what is no regular file.
 */
export async function sealFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new TypeError(`${path} is not a regular file`);
    await file.chown(0, 0);
    await file.chmod(SEALED);
  } finally {
    await file.close();
  }
}

/**
 * Makes an empty file that a user may write.
 *
 * @throws the operating system's error, EEXIST where something has the name.
 */
export async function makeFileOf(path: string, uid: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.chown(uid, uid);
  } finally {
    await file.close();
  }
}
