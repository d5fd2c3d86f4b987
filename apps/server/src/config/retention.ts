import type { RetentionRules } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";

const MOST = 100_000;

/** How long saved states are kept, where the team has no other rule. @throws WrennError `invalid_field`. */
export function readRetention(env: Readonly<Record<string, string | undefined>>): RetentionRules {
  const count = (field: string): number => {
    const text = env[field] ?? "0";
    if (/^\d{1,6}$/.test(text) && Number(text) <= MOST) return Number(text);
    throw new WrennError("invalid_field", {
      field,
      problem: `must be a number from 0 (without an end) to ${MOST}, not '${text}'`,
    });
  };
  return {
    checkpoints: count("WRENN_KEEP_CHECKPOINTS"),
    checkpointDays: count("WRENN_KEEP_CHECKPOINT_DAYS"),
    pausedDays: count("WRENN_KEEP_PAUSED_DAYS"),
  };
}
