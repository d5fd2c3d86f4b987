import type { LogFields, Logger } from "@wrenn/core";
import { pino } from "pino";
import type { Logger as Pino } from "pino";
import { textLog } from "./text-log.ts";

/** The process's log: JSON lines for machines or text for people, on standard error. */
export function createLog(
  format: "text" | "json",
  level: string,
  output: NodeJS.WriteStream = process.stderr,
): Logger {
  const base = pino({ level, base: null }, format === "json" ? output : textLog(output));
  return wrap(base);
}

function wrap(base: Pino): Logger {
  const line =
    (level: "debug" | "info" | "warn" | "error") =>
    (event: string, fields: LogFields = {}): void =>
      base[level]({ event, ...fields });
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: (fields) => wrap(base.child(fields)),
  };
}
