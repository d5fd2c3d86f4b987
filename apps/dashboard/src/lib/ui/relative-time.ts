const STEPS = [
  ["second", 1000, 60],
  ["minute", 60_000, 60],
  ["hour", 3_600_000, 24],
  ["day", 86_400_000, 30],
  ["month", 2_592_000_000, 12],
  ["year", 31_536_000_000, Infinity],
] as const;
const words = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "long" });

/** "3 minutes ago", "in 2 hours"; both in ms since 1970. */
export function relativeTime(at: number, now: number): string {
  const distance = at - now;
  for (const [unit, ms, many] of STEPS) {
    const count = Math.round(distance / ms);
    if (Math.abs(count) >= many) continue;
    // Seconds that change are restless, and nobody needs them.
    if (unit === "second") return count > 0 ? "in a moment" : "just now";
    return words.format(count, unit);
  }
  return words.format(Math.round(distance / 31_536_000_000), "year");
}
