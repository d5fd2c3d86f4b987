import pg from "pg";

/** `2026-01-02 03:04:05.678901+00`: what PostgreSQL writes for a session in UTC; the fraction has 0 to 6 digits. */
const LENGTH_WITHOUT_FRACTION = "2026-01-02 03:04:05+00".length;
const ZERO = 48;

/**
 * Types of columns as pg reads them, with the commonest form of a timestamp read by its positions: long lists consist of
 * timestamps by half, and the general parser takes as long for them as everything else takes together.
 */
export const columnTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => {
    const parser: unknown = pg.types.getTypeParser(oid, format);
    if (oid !== pg.types.builtins.TIMESTAMPTZ || format === "binary") return parser;
    const general = parser as (text: string) => unknown;
    return (text: string) => parseUtc(text) ?? general(text);
  },
};

/** Undefined for every other form: years beyond four digits, before Christ, other zones, infinity. */
export function parseUtc(text: string): Date | undefined {
  const end = text.length - 3;
  if (text.length < LENGTH_WITHOUT_FRACTION || text.charCodeAt(4) !== 45 || !text.endsWith("+00"))
    return undefined;
  let ms = 0;
  if (end > 19) {
    for (let at = 20; at < 23; at++) ms = ms * 10 + (at < end ? text.charCodeAt(at) - ZERO : 0);
  }
  const year = two(text, 0) * 100 + two(text, 2);
  // Date.UTC takes the years before 100 for those of the last century.
  if (year < 100) return undefined;
  const at = Date.UTC(year, two(text, 5) - 1, two(text, 8), two(text, 11), two(text, 14), two(text, 17), ms);
  return new Date(at);
}

function two(text: string, at: number): number {
  return (text.charCodeAt(at) - ZERO) * 10 + text.charCodeAt(at + 1) - ZERO;
}
