const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const TERM = /(\d+(?:\.\d+)?)(ms|s|m|h)/gy;

/**
 * A duration as recipes write it: numbers with units, such as `90s`, `1m30s` or `1.5h` (time.ParseDuration of Go, without units below a
 * millisecond).
 *
 * @returns milliseconds; undefined for what is none.
 */
export function goDuration(text: string): number | undefined {
  if (text === "0") return 0;
  TERM.lastIndex = 0;
  let sum = 0;
  let end = 0;
  for (const [term, number = "", unit = ""] of text.matchAll(TERM)) {
    sum += Number(number) * (UNITS[unit] ?? 0);
    end += term.length;
  }
  return end > 0 && end === text.length ? Math.round(sum) : undefined;
}
