const STEPS = [
  ["second", 1000, 60],
  ["minute", 60_000, 60],
  ["hour", 3_600_000, 24],
  ["day", 86_400_000, 30],
  ["month", 2_592_000_000, 12],
  ["year", 31_536_000_000, Infinity],
] as const;
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/** "3 min. ago", "in 2 hr."; both in ms since 1970. */
export function relativeTime(at: number, now: number): string {
  const distance = at - now;
  for (const [unit, ms, many] of STEPS) {
    const count = Math.round(distance / ms);
    if (Math.abs(count) < many)
      return unit === "second" && Math.abs(count) < 10 ? "now" : words.format(count, unit);
  }
  return words.format(Math.round(distance / 31_536_000_000), "year");
}
