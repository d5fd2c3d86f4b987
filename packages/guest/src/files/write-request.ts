import { guestChannel } from "@wrenn/protocol";
import type { WriteOptions } from "@wrenn/protocol";
import { GuestRefusal } from "../lane/guest-refusal.ts";

const DEFAULT_FILE_MODE = 0o644;

const FLAG_PARENTS = 1;
const FLAG_EXCLUSIVE = 2;
const FLAG_MODE = 4;

/** Flags of WRITE and UPLOAD_CREATE (docs/reference/guest-protocol.md): missing directories are always made. */
function writeFlags({ exclusive = false, mode }: WriteOptions): number {
  return FLAG_PARENTS | (exclusive ? FLAG_EXCLUSIVE : 0) | (mode === undefined ? 0 : FLAG_MODE);
}

/**
 * Sends a WRITE or an UPLOAD_CREATE, of which `append` adds mode and flags. An agent of an earlier version does not parse a mode that
 * is asked for: it is then sent the mode of a new file only.
 *
 * @returns the answer, and whether the mode of an existing file is what was asked for.
 */
export async function requestWrite<T>(
  options: WriteOptions,
  send: (append: (body: guestChannel.BodyWriter) => guestChannel.BodyWriter) => Promise<T>,
): Promise<{ readonly answer: T; readonly isModeKept: boolean }> {
  const appending =
    (flags: number) =>
    (body: guestChannel.BodyWriter): guestChannel.BodyWriter =>
      body.u32(options.mode ?? DEFAULT_FILE_MODE).u32(flags);
  const flags = writeFlags(options);
  try {
    return { answer: await send(appending(flags)), isModeKept: true };
  } catch (error) {
    const isUnknown = error instanceof GuestRefusal && error.status === guestChannel.status.badRequest;
    if (!isUnknown || options.mode === undefined) throw error;
    return { answer: await send(appending(flags & ~FLAG_MODE)), isModeKept: false };
  }
}
