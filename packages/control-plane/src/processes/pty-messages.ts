import { Type } from "typebox";
import type { Static } from "typebox";
import { EnvironmentBody } from "../http/command-text.ts";
import { CapsuleEvents } from "./capsule-events.ts";

const MAX_SIZE = 10_000;

const size = Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_SIZE }));
const offset = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const mode = {
  /** Output as binary frames; input may be binary in any case. */
  binary: Type.Optional(Type.Boolean()),
  /** Offsets, `dropped` and `resized` messages. */
  extended: Type.Optional(Type.Boolean()),
  capsule_events: CapsuleEvents,
  session_id: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9_-]{16,64}$",
      description: "Chosen by the client, at random: a later connection with it continues this session",
    }),
  ),
};

export const TerminalStart = Type.Object(
  {
    type: Type.Literal("start"),
    cmd: Type.Optional(Type.String({ maxLength: 4096 })),
    args: Type.Optional(Type.Array(Type.String())),
    cols: size,
    rows: size,
    envs: Type.Optional(EnvironmentBody),
    cwd: Type.Optional(Type.String({ maxLength: 4096 })),
    user: Type.Optional(Type.String({ maxLength: 64 })),
    ...mode,
  },
  { title: "TerminalStart", description: "Starts a terminal; the first message" },
);
export type TerminalStart = Static<typeof TerminalStart>;

export const TerminalConnect = Type.Object(
  {
    type: Type.Literal("connect"),
    tag: Type.String({ minLength: 1, maxLength: 256 }),
    from: Type.Optional(Type.Integer({ minimum: 0 })),
    acknowledged: Type.Optional({
      ...offset,
      description: "With `session_id`: offset up to which the client has shown output; default: `from`",
    }),
    ...mode,
  },
  { title: "TerminalConnect", description: "Connects to a terminal that runs; the first message" },
);
export type TerminalConnect = Static<typeof TerminalConnect>;

export const TerminalInput = Type.Object(
  { type: Type.Literal("input"), data: Type.String({ description: "Base64" }) },
  { title: "TerminalInput", description: "What is typed" },
);
export const TerminalResize = Type.Object(
  {
    type: Type.Literal("resize"),
    cols: Type.Integer({ minimum: 1, maximum: MAX_SIZE }),
    rows: Type.Integer({ minimum: 1, maximum: MAX_SIZE }),
  },
  { title: "TerminalResize", description: "Changes the size of the terminal" },
);
export const TerminalAcknowledge = Type.Object(
  {
    type: Type.Literal("ack"),
    bytes: Type.Optional(Type.Integer({ minimum: 0 })),
    offset: Type.Optional(offset),
  },
  {
    title: "TerminalAcknowledge",
    description:
      "The client has shown `bytes` more, or, in a session with `session_id`, everything up to `offset`",
  },
);
