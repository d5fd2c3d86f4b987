import { DAY_MS, WrennError } from "@wrenn/core";

const INTERVALS = { daily: DAY_MS, weekly: 7 * DAY_MS, monthly: 30 * DAY_MS } as const;

/**
 * How often the built-in template is refreshed, from `WRENN_TEMPLATE_REFRESH`.
 *
 * @returns ms between two refreshes; undefined for `off`, the default.
 * @throws WrennError `invalid_field`.
 */
export function readTemplateRefresh(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const text = env["WRENN_TEMPLATE_REFRESH"] ?? "off";
  if (text === "off") return undefined;
  const interval = Object.entries(INTERVALS).find(([name]) => name === text)?.[1];
  if (interval === undefined)
    throw new WrennError("invalid_field", {
      field: "WRENN_TEMPLATE_REFRESH",
      problem: `must be off, daily, weekly or monthly, not '${text}'`,
    });
  return interval;
}
