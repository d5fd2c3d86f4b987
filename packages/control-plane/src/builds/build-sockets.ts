import { WrennError } from "@wrenn/core";
import { Heartbeat, heartbeatParameter, sendHeartbeats } from "../http/heartbeat.ts";
import type { TeamSocketRoute } from "../http/socket-route.ts";
import { Type } from "typebox";
import type { SocketDescription } from "../openapi/describe-sockets.ts";
import { Build, lineJson, LogLine } from "./build-json.ts";
import type { BuildsService } from "./builds.ts";

/** Between two looks for more lines, in milliseconds. */
const LOOK_MS = 500;
const MAX_FROM = 2_147_483_647;

/** Messages of a session that follows the log of a build. */
const buildLogDescription: SocketDescription = {
  summary: "Follow the log of a build",
  description:
    "The server sends a `line` for each line from `from` on, and last `end`. Messages of the client are ignored.",
  tag: "builds",
  query: {
    from: Type.Integer({ minimum: 0, description: "Number of the first line; default: 0" }),
    heartbeat: heartbeatParameter,
  },
  client: [],
  server: [
    Type.Object(
      { type: Type.Literal("line"), ...LogLine.properties },
      { title: "BuildLine", description: "A line", additionalProperties: false },
    ),
    Type.Object(
      {
        type: Type.Literal("end"),
        status: Build.properties.status,
        dropped_lines: Build.properties.dropped_lines,
        reason: Type.Optional(Type.String({ description: "Entry of the error catalogue" })),
        error: Type.Optional(Type.Union([Type.String(), Type.Null()])),
      },
      {
        title: "BuildEnd",
        description: "The build has ended: the last message",
        additionalProperties: false,
      },
    ),
    Heartbeat,
  ],
};

/** Sessions that follow the log of a build (docs/reference/builds.md#logs). */
export function buildSockets(builds: Pick<BuildsService, "log">): readonly TeamSocketRoute[] {
  return [
    {
      root: "builds",
      path: "logs",
      description: buildLogDescription,
      scope: "read",
      handler: async (socket, { teamId, id, query, clock, signal }) => {
        using heartbeats = sendHeartbeats(socket, query);
        void heartbeats;
        let from = parseFrom(query.get("from") ?? "0");
        for (;;) {
          signal.throwIfAborted();
          const { lines, next, build } = await builds.log(teamId, id, from);
          for (const line of lines) await socket.send({ type: "line", ...lineJson(line) });
          from = next;
          if (lines.length > 0) continue;
          if (build.completed_at !== null) {
            await socket.send({
              type: "end",
              status: build.status,
              dropped_lines: build.dropped_lines,
              ...(build.reason === null ? {} : { reason: build.reason, error: build.error }),
            });
            return;
          }
          await clock.sleep(LOOK_MS, signal);
        }
      },
    },
  ];
}

function parseFrom(text: string): number {
  const from = /^\d{1,10}$/.test(text) ? Number(text) : Infinity;
  if (from > MAX_FROM) throw new WrennError("invalid_field", { field: "from", problem: "is no line number" });
  return from;
}
