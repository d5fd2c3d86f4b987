import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";

const REASONS: ReadonlySet<ErrorReason> = new Set([
  "capsule_not_found",
  "capsule_not_running",
  "guest_unreachable",
  "host_unavailable",
]);

/** Whether work failed because the sandbox no longer runs or cannot be reached: clients then see a broken connection, or 502. */
export function isGone(error: unknown): boolean {
  return error instanceof WrennError && REASONS.has(error.reason);
}
