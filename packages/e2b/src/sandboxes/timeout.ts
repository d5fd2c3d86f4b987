import { WrennError } from "@wrenn/core";

/** Seconds that a run may last at most: the longest lifetime of the platform. */
const MAX_SECONDS = 2_592_000;

/** Seconds after which a run ends. @throws WrennError `invalid_field` for none and for more than 30 days. */
export function timeoutOf(seconds: number): number {
  if (seconds <= 0 || seconds > MAX_SECONDS)
    throw new WrennError("invalid_field", {
      field: "timeout",
      problem: `must be 1 to ${MAX_SECONDS} seconds`,
    });
  return seconds;
}
