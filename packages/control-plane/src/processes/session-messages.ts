import { Type } from "typebox";
import type { TObject, TProperties } from "typebox";
import type { SocketDescription } from "../openapi/describe-sockets.ts";
import { ExecStart, ExecInput } from "./exec-stream.ts";
import {
  TerminalAcknowledge,
  TerminalConnect,
  TerminalInput,
  TerminalResize,
  TerminalStart,
} from "./pty-messages.ts";

/** A message with a title, by which the description of the API refers to it. */
const message = <const P extends TProperties>(
  title: string,
  description: string,
  properties: P,
): TObject<P> => Type.Object(properties, { title, description, additionalProperties: false });

const offset = Type.Integer({ minimum: 0, description: "Bytes of the stream before this" });
const stream = Type.Union([Type.Literal("stdout"), Type.Literal("stderr")]);

const ProcessStarted = message("ProcessStarted", "The process runs, or the session is attached to it", {
  type: Type.Literal("start"),
  pid: Type.Integer(),
  live_offset: Type.Optional({
    ...offset,
    description: "With `from`: output before it was printed before the client connected",
  }),
  live_offset_stderr: Type.Optional({ ...offset, description: "The same of standard error" }),
});
const ProcessOutput = message(
  "ProcessOutput",
  "A piece of a stream: text, or base64 where `encoding` says so",
  {
    type: stream,
    data: Type.String(),
    offset: Type.Optional(offset),
    next: Type.Optional(Type.Integer({ minimum: 0, description: "Where the piece behind this one begins" })),
  },
);
const OutputDropped = message("OutputDropped", "Bytes of a stream that are not kept", {
  type: Type.Literal("dropped"),
  stream,
  from: offset,
  to: offset,
});
const ProcessExit = message("ProcessExit", "The process has ended: the last message", {
  type: Type.Literal("exit"),
  exit_code: Type.Integer({ description: "The program's own, or 128 + signal" }),
  signal: Type.Optional(Type.Integer({ description: "Signal that ended it" })),
  timed_out: Type.Optional(Type.Boolean({ description: "`timeout_sec` was over" })),
});

const TerminalStarted = message("TerminalStarted", "The terminal runs, or the session is attached to it", {
  type: Type.Literal("started"),
  tag: Type.String({ description: "With which clients connect again" }),
  pid: Type.Integer(),
  live_offset: Type.Integer({
    minimum: 0,
    description: "Output before this offset was printed before the client connected",
  }),
  resumed: Type.Optional(Type.Boolean({ description: "With `session_id`: the server knows the session" })),
  input_offset: Type.Optional(
    Type.Integer({
      minimum: 0,
      description: "With `session_id`: bytes of the session's input that were taken",
    }),
  ),
  ping_ms: Type.Optional(
    Type.Integer({ minimum: 1, description: "With `session_id`: milliseconds between pings" }),
  ),
});
const TerminalInputTaken = message(
  "TerminalInputTaken",
  "With `session_id`: how much of the session's input the terminal has taken",
  {
    type: Type.Literal("input_ack"),
    offset: Type.Integer({ minimum: 0, description: "Bytes of input since the beginning of the session" }),
  },
);
const TerminalOutput = message("TerminalOutput", "Output, unless the client asked for binary frames", {
  type: Type.Literal("output"),
  data: Type.String({ description: "At most 16 KiB, as base64" }),
  offset: Type.Optional(Type.Integer({ minimum: 0, description: "With `extended`: where it begins" })),
});
const TerminalPing = message("TerminalPing", "Every 30 s; with `session_id` every 15 s", {
  type: Type.Literal("ping"),
});
const TerminalDropped = message("TerminalDropped", "With `extended`: bytes that are not kept", {
  type: Type.Literal("dropped"),
  from: offset,
  to: offset,
});
const TerminalResized = message("TerminalResized", "With `extended`: a client has changed the size", {
  type: Type.Literal("resized"),
  cols: Type.Integer(),
  rows: Type.Integer(),
});
const TerminalExit = message("TerminalExit", "The program of the terminal has ended: the last message", {
  type: Type.Literal("exit"),
  exit_code: Type.Integer({ description: "The program's own, or 128 + signal" }),
  signal: Type.Optional(Type.Integer({ description: "Signal that ended it" })),
});

const Stop = message("ExecStop", "Ends the command and everything that it started", {
  type: Type.Literal("stop"),
});
const CloseInput = message("ExecInputEnd", "Closes standard input behind what was sent", {
  type: Type.Literal("stdin_close"),
});
const Kill = message("TerminalKill", "Ends the program of the terminal and everything that it started", {
  type: Type.Literal("kill"),
});
const Detach = message("TerminalDetach", "With `session_id`: the client will not continue its session", {
  type: Type.Literal("detach"),
});

const CapsuleChange = message(
  "CapsuleChange",
  "With `capsule_events`: the capsule was paused, or runs again",
  {
    type: Type.Union([Type.Literal("paused"), Type.Literal("resumed")]),
  },
);

export const execDescription: SocketDescription = {
  summary: "Run a command and stream its output",
  description:
    "The client sends `start`, then input if it asked for it, and may `stop` the command. The server sends `start`, the output, and last `exit` or `error`. The command ends with its client.",
  tag: "commands",
  client: [ExecStart, ExecInput, CloseInput, Stop],
  server: [ProcessStarted, ProcessOutput, OutputDropped, CapsuleChange, ProcessExit],
  binary: "From the client: standard input.",
};

export const processStreamDescription: SocketDescription = {
  summary: "Follow the output of a process",
  description:
    "Output begins now, or at the offset `from`, and then each piece carries offsets. Messages of the client are ignored; the process outlives the session.",
  tag: "commands",
  query: {
    from: Type.String({ description: "`oldest`, or an offset of standard output", examples: ["oldest"] }),
    from_stderr: Type.Integer({ minimum: 0, description: "Offset of standard error" }),
    capsule_events: Type.String({
      description: "`true`: messages when the capsule is paused or resumed",
      examples: ["true"],
    }),
    encoding: Type.String({ description: "`base64` carries any bytes; default: text", examples: ["base64"] }),
  },
  client: [],
  server: [ProcessStarted, ProcessOutput, OutputDropped, CapsuleChange, ProcessExit],
};

export const terminalDescription: SocketDescription = {
  summary: "Open a terminal, or connect to one",
  description:
    "The client sends `start`, or `connect` with a tag, then input and sizes. The server sends `started`, the output, and last `exit` or `error`. The terminal outlives the session.",
  tag: "commands",
  client: [TerminalStart, TerminalConnect, TerminalInput, TerminalResize, TerminalAcknowledge, Kill, Detach],
  server: [
    TerminalStarted,
    TerminalOutput,
    TerminalInputTaken,
    TerminalPing,
    TerminalDropped,
    TerminalResized,
    CapsuleChange,
    TerminalExit,
  ],
  binary:
    "From the client: input. From the server: output, when the client asked for it with `binary` or the sub-protocol.",
};
