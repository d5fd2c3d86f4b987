import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { FileVersion, WriteCondition, WriteOptions } from "@wrenn/protocol";
import { GuestRefusal } from "../lane/guest-refusal.ts";

const DEFAULT_FILE_MODE = 0o644;

const { status } = guestChannel;
const FLAG_PARENTS = 1;
const FLAG_EXCLUSIVE = 2;
const FLAG_MODE = 4;
const FLAG_CONDITION = 8;
const NO_TIME = 2n ** 63n - 1n;

/** Adds mode, flags and condition, the end of WRITE and UPLOAD_CREATE (docs/reference/guest-protocol.md). */
type AppendTarget = (body: guestChannel.BodyWriter) => guestChannel.BodyWriter;

/**
 * Sends a WRITE or an UPLOAD_CREATE, whose end `append` adds: missing directories are always made. An agent of an earlier version does
 * not parse a mode that is asked for: it is then sent the mode of a new file only.
 *
 * @returns the answer, and whether the mode of an existing file is what was asked for.
 */
export async function requestWrite<T>(
  options: WriteOptions,
  send: (append: AppendTarget) => Promise<T>,
): Promise<{ readonly answer: T; readonly isModeKept: boolean }> {
  try {
    return { answer: await send(target(options, options.mode !== undefined)), isModeKept: true };
  } catch (error) {
    const isUnknown = error instanceof GuestRefusal && error.status === status.badRequest;
    if (!isUnknown || options.mode === undefined) throw error;
    return { answer: await send(target(options, false)), isModeKept: false };
  }
}

function target({ mode, exclusive = false, condition }: WriteOptions, asksMode: boolean): AppendTarget {
  const flags =
    FLAG_PARENTS |
    (exclusive ? FLAG_EXCLUSIVE : 0) |
    (asksMode ? FLAG_MODE : 0) |
    (condition ? FLAG_CONDITION : 0);
  return (body) => {
    body.u32(mode ?? DEFAULT_FILE_MODE).u32(flags);
    if (condition) writeCondition(body, condition);
    return body;
  };
}

function writeCondition(
  body: guestChannel.BodyWriter,
  { exists, anyOf, noneOf = [], unmodifiedSince }: WriteCondition,
): void {
  body.u8(exists ? 1 : 0).u8(anyOf ? 1 : 0);
  for (const versions of [anyOf ?? [], noneOf]) writeVersions(body, versions);
  body.u64(unmodifiedSince === undefined ? NO_TIME : BigInt.asUintN(64, BigInt(unmodifiedSince)));
}

function writeVersions(body: guestChannel.BodyWriter, versions: readonly FileVersion[]): void {
  body.u32(versions.length);
  for (const { inode, size, modifiedNs } of versions)
    body.u64(BigInt.asUintN(64, inode)).u64(size).u64(BigInt.asUintN(64, modifiedNs));
}

/** The error of a refused request that an agent of an earlier version does not understand. */
export function conditionError(error: unknown, { condition }: WriteOptions, path: string): unknown {
  if (!condition || !(error instanceof GuestRefusal)) return error;
  if (error.status === status.conditionFailed)
    return new WrennError("precondition_failed", { path }, { cause: error });
  // It was paused, or took its memory along.
  if (error.status === status.badRequest)
    return new WrennError("conditions_unsupported", {}, { cause: error });
  return error;
}
