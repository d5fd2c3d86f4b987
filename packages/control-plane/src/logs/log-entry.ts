import { defined } from "@wrenn/core";
import type { EventRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { eventJson } from "../events/event-json.ts";
import type { ConsoleLine } from "./console-lines.ts";

export const LogSource = Type.Enum(["console", "platform"]);
export type LogSource = Static<typeof LogSource>;

export const LogEntry = Type.Object({
  id: Type.String({ description: "Place in the log: `after` and `Last-Event-ID` continue behind it" }),
  timestamp: Type.String({
    description: "RFC 3339, with milliseconds; of the console, when the host read it",
  }),
  source: LogSource,
  message: Type.String({
    description: "Text; bytes that are not UTF-8 and control characters are U+FFFD",
  }),
  event: Type.Optional(
    Type.String({
      description:
        "Type of the event, as in `GET /v1/events`; `guest.out_of_memory` for a line in which the guest's kernel says so",
    }),
  ),
  reason: Type.Optional(Type.String({ description: "Why it happened, where that is known" })),
  actor: Type.Optional(
    Type.Object({
      type: Type.String(),
      id: Type.Optional(Type.String()),
      name: Type.Optional(Type.String()),
    }),
  ),
  resource: Type.Optional(Type.String({ description: "The checkpoint or port that the event is about" })),
  raw: Type.Optional(
    Type.String({ description: "The exact bytes of a console line in base64, where `message` differs" }),
  ),
  partial: Type.Optional(
    Type.Boolean({ description: "The line has no end: it was cut, or the rest follows" }),
  ),
  gap: Type.Optional(Type.Boolean({ description: "Bytes of the console before this line are lost" })),
});
export type LogEntry = Static<typeof LogEntry>;

/** A place in the two sources that a log is merged from. */
export interface LogPlace {
  /** Offset in the console. */
  readonly console: number;
  /** Id of an event. */
  readonly event: string;
}

const PLACE = /^c(\d{1,15})e(\d{1,18})$/;

export const logBeginning: LogPlace = { console: 0, event: "0" };

export function placeText({ console, event }: LogPlace): string {
  return `c${console}e${event}`;
}

/** Undefined for what is no place. */
export function parsePlace(text: string): LogPlace | undefined {
  const [, console, event] = PLACE.exec(text) ?? [];
  return console === undefined || event === undefined ? undefined : { console: Number(console), event };
}

export function consoleEntry(line: ConsoleLine, place: LogPlace): LogEntry {
  return {
    id: placeText(place),
    timestamp: new Date(line.at).toISOString(),
    source: "console",
    message: line.message,
    ...defined({
      event: line.isOutOfMemory ? "guest.out_of_memory" : undefined,
      raw: line.raw,
      partial: line.isPartial ? true : undefined,
      gap: line.gap ? true : undefined,
    }),
  };
}

/** What happened, as people say it. Of other types the type itself is the message. */
const words: Readonly<Record<string, string>> = {
  "capsule.created": "created",
  "capsule.running": "resumed",
  "capsule.paused": "paused",
  "capsule.destroyed": "destroyed",
  "capsule.failed": "failed",
  "capsule.missing": "its host does not answer",
  "capsule.expiring": "will be removed by a rule",
  "capsule.stalled": "waits: the disk of its host is full",
  "capsule.continued": "continues: there is room on its host again",
  "capsule.forked": "forked",
};

/** Reasons of a state that nobody asked for. */
const OWN_REASONS = new Set(["idle", "lifetime", "expired"]);

export function platformEntry(row: EventRow, place: LogPlace): LogEntry {
  const { event, actor, resource } = eventJson(row);
  const { problem: given, reason: why } = row.data;
  const reason = typeof why === "string" && OWN_REASONS.has(why) ? why : undefined;
  const problem = typeof given === "string" ? given : reason;
  const inCapsule = resource.id.split("/").slice(1).join("/");
  const said = words[event] ?? event.replaceAll(/[._]/g, " ");
  return {
    id: placeText(place),
    timestamp: row.created_at.toISOString(),
    source: "platform",
    message: [said, inCapsule, problem === undefined ? "" : `(${problem})`].filter(Boolean).join(" "),
    event,
    actor,
    ...defined({ resource: inCapsule === "" ? undefined : inCapsule, reason: problem }),
  };
}
