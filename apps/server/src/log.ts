import { Writable } from "node:stream";
import { formatLogLine } from "@wrenn/core";
import type { LogFields, Logger } from "@wrenn/core";
import { pino } from "pino";
import type { Logger as Pino } from "pino";

/** The process's log: JSON lines for machines or text for people, on standard error. */
export function createLog(
  format: "text" | "json",
  level: string,
  output: NodeJS.WriteStream = process.stderr,
): Logger {
  const base = pino({ level, base: null }, format === "json" ? output : textLog(output));
  return wrap(base);
}

function textLog(output: NodeJS.WritableStream): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString("utf8").split("\n")) {
        if (line !== "") output.write(`${formatLogLine(line)}\n`);
      }
      done();
    },
  });
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
