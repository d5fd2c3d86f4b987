import type { AccountLimits } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";

const settings = {
  WRENN_TEAMS_PER_OWNER: { field: "teamsPerOwner", least: 1, most: 1_000_000 },
  WRENN_AUDIT_DAYS: { field: "auditDays", least: 1, most: 36_500 },
  WRENN_AUDIT_ENTRIES: { field: "auditEntries", least: 100, most: 1_000_000_000 },
} as const;

/** How much accounts may have and leave, as far as the environment says. @throws WrennError `invalid_field`. */
export function readAccountLimits(env: Readonly<Record<string, string | undefined>>): Partial<AccountLimits> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, { field, least, most }]) => {
      const text = env[name];
      if (text === undefined) return [];
      const count = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
      if (!(count >= least && count <= most))
        throw new WrennError("invalid_field", {
          field: name,
          problem: `must be a number from ${least} to ${most}, not '${text}'`,
        });
      return [[field, count]];
    }),
  );
}
