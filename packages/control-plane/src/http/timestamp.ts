const DAY = 86_400;
const HOUR = 3600;
const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, "0"));

/** The day that was written last: most timestamps of a list are of few days. */
let lastDay = Number.NaN;
let lastDayText = "";

/**
 * RFC 3339 in UTC with whole seconds (docs/reference/values.md#timestamps). Written by hand since `toISOString` takes a third of the time in which a
 * long list is answered.
 */
export function timestamp(date: Date): string {
  const seconds = Math.floor(date.getTime() / 1000);
  const day = Math.floor(seconds / DAY);
  if (day !== lastDay) {
    lastDayText = date.toISOString().slice(0, "2026-01-02T".length);
    lastDay = day;
  }
  const rest = seconds - day * DAY;
  const hours = twoDigits[Math.floor(rest / HOUR)];
  const minutes = twoDigits[Math.floor((rest % HOUR) / 60)];
  return `${lastDayText}${hours}:${minutes}:${twoDigits[rest % 60]}Z`;
}
