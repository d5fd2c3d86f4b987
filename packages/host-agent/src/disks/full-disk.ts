import { WrennError } from "@wrenn/core";
import { hasCode } from "@wrenn/system";

/** Whether the operating system said that the host's disk, or a quota on it, is full. */
export function isDiskFull(error: unknown): boolean {
  return hasCode(error, "ENOSPC", "EDQUOT");
}

/** An error of the operating system that says that the host's disk is full, as the typed error; any other as it is. */
export function asDiskFull(error: unknown, place: string): unknown {
  return isDiskFull(error) ? new WrennError("disk_full", { path: place }, { cause: error }) : error;
}
