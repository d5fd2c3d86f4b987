import { InvalidArgumentError } from "commander";
import { duration } from "./parse.ts";

/** An ISO 8601 date with a time zone or none (UTC), or a duration ago: `2026-03-01T12:00:00Z`, `10m`. */
export function moment(text: string): Date {
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const isZoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text) || !text.includes("T");
    const date = new Date(isZoned ? text : `${text}Z`);
    if (!Number.isNaN(date.getTime())) return date;
  } else if (/^\d/.test(text)) return new Date(Date.now() - duration(text));
  throw new InvalidArgumentError(
    "a time such as 2026-03-01T12:00:00Z, or a duration ago such as 10m, is needed.",
  );
}
