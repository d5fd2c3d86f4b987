import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { hasCode } from "@wrenn/system";

/** Reasons of errors that have the words of a program, such as cp, which met the full disk. */
const OF_PROGRAMS: ReadonlySet<ErrorReason> = new Set(["command_failed", "operation_failed"]);

/** Whether the operating system said that the host's disk, or a quota on it, is full: to this process or to a program. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof WrennError)) return hasCode(error, "ENOSPC", "EDQUOT");
  return OF_PROGRAMS.has(error.reason) && /No space left on device|Disk quota exceeded/.test(error.message);
}

/** An error that says that the host's disk is full, as the typed error; any other as it is. */
export function asDiskFull(error: unknown, place: string): unknown {
  return isDiskFull(error) ? new WrennError("disk_full", { path: place }, { cause: error }) : error;
}
