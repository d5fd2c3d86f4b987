import type { BuildLine } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";

/** From the least important on. */
const levels = ["debug", "info", "warn", "error"] as const;

/** How important an entry of a log is. As a query: entries that are less important are left out. */
export const LogLevel = Type.Enum([...levels]);
export type LogLevel = Static<typeof LogLevel>;

/** Events of sandboxes by what they mean to users. The others are `info`. */
const levelsOfEvents: Readonly<Record<string, LogLevel>> = {
  "capsule.failed": "error",
  "capsule.missing": "error",
  "capsule.out_of_memory": "error",
  "guest.out_of_memory": "error",
  "capsule.not_answering": "warn",
  "capsule.stalled": "warn",
  "capsule.disk_full": "warn",
  "capsule.expiring": "warn",
  "checkpoint.expiring": "warn",
  "capsule.updated": "debug",
  "port.opened": "debug",
  "port.closed": "debug",
};
/** A line of the guest's kernel, which prints errors only unless the guest changes that. */
const OF_KERNEL = /^\[ *\d+\.\d{6}\] /;

/** The level of an entry of a sandbox's log. */
export function levelOfEntry({
  event,
  source,
  message,
}: {
  readonly event?: string;
  readonly source: "console" | "platform";
  readonly message: string;
}): LogLevel {
  if (event !== undefined) return levelsOfEvents[event] ?? "info";
  return source === "console" && OF_KERNEL.test(message) ? "error" : "info";
}

/** The level of a line of a build's log. */
export function levelOfLine({ stream, ended }: Pick<BuildLine, "stream" | "ended">): LogLevel {
  if (ended?.ok === false) return "error";
  return stream === "stderr" ? "warn" : "info";
}

/** Whether an entry of a level is meant where no less than `least` is asked for. */
export function isAtLeast(level: LogLevel, least: LogLevel | undefined): boolean {
  return least === undefined || levels.indexOf(level) >= levels.indexOf(least);
}
