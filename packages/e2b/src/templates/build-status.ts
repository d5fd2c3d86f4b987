import type { BuildLine, BuildRow, BuildStatus } from "@wrenn/database";
import { defined } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { levelOfLine, LogLevel } from "../observe/log-levels.ts";
import { clientSteps } from "./client-steps.ts";
import type { ClientStep } from "./client-steps.ts";

const LogEntry = Type.Object({
  timestamp: Type.String(),
  level: LogLevel,
  message: Type.String(),
  step: Type.Optional(Type.String()),
});

export const BuildState = Type.Object({
  templateID: Type.String(),
  buildID: Type.String(),
  status: Type.Union([
    Type.Literal("waiting"),
    Type.Literal("building"),
    Type.Literal("ready"),
    Type.Literal("error"),
  ]),
  logs: Type.Array(Type.String()),
  logEntries: Type.Array(LogEntry),
  reason: Type.Optional(
    Type.Object({
      message: Type.String(),
      step: Type.Optional(Type.String()),
      logEntries: Type.Array(LogEntry),
    }),
  ),
});
type BuildState = Static<typeof BuildState>;

const states: Readonly<Record<BuildStatus, BuildState["status"]>> = {
  pending: "waiting",
  running: "building",
  success: "ready",
  failed: "error",
  cancelled: "error",
  interrupted: "error",
};

/** A build with some lines of its log as clients read it. */
export function buildState(row: BuildRow, lines: readonly BuildLine[]): BuildState {
  const steps = row.recipe_text === null ? new Map<number, ClientStep>() : clientSteps(row.recipe_text);
  const status = states[row.status];
  return {
    templateID: row.name,
    buildID: row.id,
    status,
    logs: lines.map(({ text }) => text),
    logEntries: lines.map((line) => entryOf(line, steps)),
    ...(status === "error" ? { reason: reasonOf(row, steps) } : {}),
  };
}

/** Lines of a log as clients read them. */
export function logEntries(row: BuildRow, lines: readonly BuildLine[]): Static<typeof LogEntry>[] {
  const steps = row.recipe_text === null ? new Map<number, ClientStep>() : clientSteps(row.recipe_text);
  return lines.map((line) => entryOf(line, steps));
}

export { LogEntry as BuildLogEntry };

function entryOf(line: BuildLine, steps: ReadonlyMap<number, ClientStep>): Static<typeof LogEntry> {
  const number = steps.get(line.step)?.number;
  return {
    timestamp: line.at.toISOString(),
    level: levelOfLine(line),
    message: line.text,
    ...defined({ step: number === undefined ? undefined : String(number) }),
  };
}

/** What went wrong, and in which step of the client: clients point at its line in the user's program. */
function reasonOf(row: BuildRow, steps: ReadonlyMap<number, ClientStep>): NonNullable<BuildState["reason"]> {
  const isOfStep = row.reason === "build_failed";
  const failed = isOfStep ? steps.get(row.current_step) : undefined;
  const place = failed?.number ?? (isOfStep || row.current_step === 0 ? "base" : "finalize");
  return { message: messageOf(row, failed), step: String(place), logEntries: [] };
}

function messageOf(row: BuildRow, failed: ClientStep | undefined): string {
  if (failed?.requires) {
    const { command, user } = failed.requires;
    // Compared literally by clients.
    return `failed to run command '${command}': command failed: unauthenticated: invalid username: '${user}'`;
  }
  return row.error ?? `the build is ${row.status}`;
}
