import { UnwatchedReason } from "@wrenn/protocol";
import { Type } from "typebox";
import { Heartbeat, heartbeatParameter } from "../http/heartbeat.ts";
import type { SocketDescription } from "../openapi/describe-sockets.ts";

const offset = Type.Integer({ minimum: 0, description: "Place in the changes of this session" });

/** Messages of a session that watches files. */
export const watchDescription: SocketDescription = {
  summary: "Watch a file or directory",
  description:
    "The server sends `watching`, then a `change` for each change from then on, and `gone` when a watched directory, or the directory of a watched file, was removed or renamed. `unwatched` names a directory that cannot be watched. Messages of the client are ignored.",
  tag: "files",
  query: {
    path: Type.String({ description: "What to watch" }),
    recursive: Type.String({ description: "`true`: also directories below", examples: ["true"] }),
    user: Type.String({ description: "Whose permissions count" }),
    heartbeat: heartbeatParameter,
  },
  client: [],
  server: [
    Type.Object(
      { type: Type.Literal("watching"), path: Type.String() },
      { title: "WatchStarted", description: "Every later change is reported", additionalProperties: false },
    ),
    Type.Object(
      {
        type: Type.Literal("change"),
        change: Type.String({ description: "Kind of the change" }),
        offset,
        path: Type.String(),
        directory: Type.Boolean(),
        old_path: Type.Optional(Type.String({ description: "Where what was moved came from" })),
      },
      { title: "WatchChange", description: "A change", additionalProperties: false },
    ),
    Type.Object(
      { type: Type.Literal("overflow"), offset },
      {
        title: "WatchOverflow",
        description: "Changes were lost: read the directory again",
        additionalProperties: false,
      },
    ),
    Type.Object(
      {
        type: Type.Literal("unwatched"),
        offset,
        path: Type.String({ description: "The directory; empty: others that are not named" }),
        reason: UnwatchedReason,
      },
      {
        title: "WatchUnwatched",
        description: "Changes in this directory are not reported",
        additionalProperties: false,
      },
    ),
    Type.Object(
      { type: Type.Literal("gone"), path: Type.String() },
      { title: "WatchEnd", description: "What is watched was removed", additionalProperties: false },
    ),
    Heartbeat,
  ],
};
