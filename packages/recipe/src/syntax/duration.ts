import { quote, refuse } from "./refusal.ts";
import type { Written } from "./written.ts";

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const WHOLE = /^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
/** A week: a longer one is a mistake. */
const MAX_MS = 7 * 24 * 3_600_000;

/** Reads a duration as Go writes it: `1h30m`, `2.5s`, `300ms`, `0`. @returns milliseconds. */
export function parseDuration(piece: Written): number {
  const { text } = piece;
  if (text === "0") return 0;
  // No duration is longer; the pattern would take quadratic time for what is.
  if (text.length > 64 || !WHOLE.test(text))
    refuse(
      piece,
      `${quote(text)} is not a duration`,
      "Write numbers with units, such as 90s, 1m30s or 500ms.",
    );
  let sum = 0;
  for (const [, number = "", unit = ""] of text.matchAll(PART)) sum += Number(number) * (UNITS[unit] ?? 0);
  if (sum > MAX_MS) refuse(piece, `${text} is longer than 168h`, "Write a duration of at most 168h.");
  return sum;
}
