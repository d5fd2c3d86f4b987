import { teamOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { defined, WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { errors } from "../api/error-body.ts";
import type { OwnSandboxes } from "../sandboxes/own-sandboxes.ts";
import { SandboxParams } from "../sandboxes/sandbox-routes.ts";
import { isAtLeast, levelOfEntry, LogLevel } from "./log-levels.ts";

const DEFAULT_LIMIT = 1000;
const BEGINNING = { console: 0, event: "0" };
const SOURCES: ReadonlySet<"console" | "platform"> = new Set(["console", "platform"]);

const Entry = Type.Object({
  timestamp: Type.String(),
  message: Type.String(),
  level: LogLevel,
  fields: Type.Record(Type.String(), Type.String()),
});
type Entry = Static<typeof Entry>;

export interface SandboxLogRoutesDeps {
  readonly services: Pick<SharedServices, "logs">;
  readonly sandboxes: OwnSandboxes;
}

/** Logs of sandboxes: the console of the guest, and what the platform did with it. */
export function registerLogs(app: App, { services, sandboxes }: SandboxLogRoutesDeps): void {
  const limit = Type.Optional(Type.Integer({ minimum: 0, maximum: DEFAULT_LIMIT }));
  const read = async (team: string, sandboxId: string, since: number | undefined): Promise<Entry[]> => {
    const { capsuleId } = await sandboxes.get(team, sandboxId);
    const query = { sources: SOURCES, after: BEGINNING, since };
    const { entries } = await services.logs.readLast(team, capsuleId, query, Infinity);
    return entries.map((entry) => ({
      timestamp: entry.timestamp,
      message: entry.message,
      level: levelOfEntry(entry),
      fields: { logger: entry.source, ...defined({ event: entry.event }) },
    }));
  };

  app.get(
    "/sandboxes/:sandboxID/logs",
    {
      config: { waitsForHost: true },
      schema: {
        params: SandboxParams,
        querystring: Type.Object({ start: Type.Optional(Type.Integer({ minimum: 0 })), limit }),
        response: {
          200: Type.Object({
            logs: Type.Array(Type.Object({ timestamp: Type.String(), line: Type.String() })),
            logEntries: Type.Array(Entry),
          }),
          ...errors,
        },
      },
    },
    async (request) => {
      const { start, limit: most = DEFAULT_LIMIT } = request.query;
      const found = await orNone(read(teamOf(request), request.params.sandboxID, start));
      const entries = found.slice(0, most);
      return {
        logs: entries.map(({ timestamp, message, level, fields }) => ({
          timestamp,
          line: JSON.stringify({ level, message, ...fields }),
        })),
        logEntries: entries,
      };
    },
  );

  app.get(
    "/v2/sandboxes/:sandboxID/logs",
    {
      config: { waitsForHost: true },
      schema: {
        params: SandboxParams,
        querystring: Type.Object({
          /** Milliseconds since the Unix epoch: entries from there on, or before it when they go backwards. */
          cursor: Type.Optional(Type.Integer({ minimum: 0 })),
          limit,
          direction: Type.Optional(Type.Union([Type.Literal("forward"), Type.Literal("backward")])),
          level: Type.Optional(LogLevel),
          search: Type.Optional(Type.String({ maxLength: 256 })),
        }),
        response: { 200: Type.Object({ logs: Type.Array(Entry) }), ...errors },
      },
    },
    async (request) => {
      const { cursor, limit: most = DEFAULT_LIMIT, direction = "forward", level, search } = request.query;
      const isForward = direction === "forward";
      const since = isForward ? cursor : undefined;
      const entries = (await read(teamOf(request), request.params.sandboxID, since)).filter(
        (entry) =>
          (isForward || cursor === undefined || Date.parse(entry.timestamp) <= cursor) &&
          isAtLeast(entry.level, level) &&
          (search === undefined || entry.message.includes(search)),
      );
      return { logs: isForward ? entries.slice(0, most) : entries.toReversed().slice(0, most) };
    },
  );
}

/** E2B's command line follows logs until the sandbox has ended, and takes a refusal then for a failure. */
async function orNone(reading: Promise<Entry[]>): Promise<readonly Entry[]> {
  try {
    return await reading;
  } catch (error) {
    if (WrennError.is(error, "capsule_not_found")) return [];
    throw error;
  }
}
