import { constants } from "node:os";
import { defined, problemOf } from "@wrenn/core";
import type { CapsuleProcess, OutputStart } from "@wrenn/protocol";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { EnvironmentBody, validateCommandText } from "./command-text.ts";
import { startProcess } from "./start-process.ts";
import { InputQueue } from "./input-queue.ts";
import { PtyOutput } from "./pty-output.ts";
import { SocketRefused } from "../http/socket-route.ts";
import type { SocketHandler, SocketContext } from "../http/socket-route.ts";
import { listedOrRefused } from "../http/strict-fields.ts";
import type { Inbound, ClientSocket } from "../http/client-socket.ts";

const { SIGKILL } = constants.signals;
const PING_MS = 30_000;
const CALL_MS = 10_000;
/** A terminal that takes no input is usually about to exit. If it has not exited after this time, the session fails. */
const EXIT_MS = 5000;
/** What a client sent before it left is given up when the terminal takes none of it for this long. */
const LEFT_MS = 2000;
/** The same however slowly it takes it: the session holds its place until then. */
const LEFT_TOTAL_MS = 10_000;
const MAX_SIZE = 10_000;
const DEFAULT_COMMAND = "/bin/bash";
const DEFAULT_COLS = 80;
const DEFAULT_ROWS = 24;

const size = Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_SIZE }));
const mode = {
  /** Output as binary frames; input may be binary in any case. */
  binary: Type.Optional(Type.Boolean()),
  /** Offsets, `dropped` and `resized` messages. */
  extended: Type.Optional(Type.Boolean()),
};

const Start = Type.Object({
  type: Type.Literal("start"),
  cmd: Type.Optional(Type.String({ maxLength: 4096 })),
  args: Type.Optional(Type.Array(Type.String())),
  cols: size,
  rows: size,
  envs: Type.Optional(EnvironmentBody),
  cwd: Type.Optional(Type.String({ maxLength: 4096 })),
  user: Type.Optional(Type.String({ maxLength: 64 })),
  ...mode,
});

const Connect = Type.Object({
  type: Type.Literal("connect"),
  tag: Type.String({ minLength: 1, maxLength: 128 }),
  from: Type.Optional(Type.Integer({ minimum: 0 })),
  ...mode,
});

const Input = Type.Object({ type: Type.Literal("input"), data: Type.String() });
const Resize = Type.Object({
  type: Type.Literal("resize"),
  cols: Type.Integer({ minimum: 1, maximum: MAX_SIZE }),
  rows: Type.Integer({ minimum: 1, maximum: MAX_SIZE }),
});
const Acknowledge = Type.Object({ type: Type.Literal("ack"), bytes: Type.Integer({ minimum: 0 }) });
const Typed = Type.Object({ type: Type.String() });

interface Opened {
  readonly process: CapsuleProcess;
  readonly from: OutputStart;
  readonly binary: boolean;
  readonly extended: boolean;
}

/**
 * A terminal (docs/reference/websocket-api.md#terminals). It belongs to the capsule and not to the socket: a client may leave and come back by its tag,
 * several may watch and type, and what the log still holds is shown to whoever connects.
 */
export const pty: SocketHandler = async (socket, context) => {
  const first = await socket.receive(context.signal);
  if (!first) return;
  const opened = await open(first, context);
  const { process } = opened;
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const output = new PtyOutput(socket, opened);
  await socket.send({ type: "started", tag: process.facts.tag ?? "", pid: process.facts.pid });
  const ping = setInterval(() => void socket.send({ type: "ping" }).catch(() => {}), PING_MS);
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  const input = new InputQueue(process, socket, (cause) => {
    process.wait(AbortSignal.timeout(EXIT_MS)).catch(() => failure.reject(cause));
  });
  socket.expectInput();
  context.accessEnded.addEventListener("abort", () => input.abandon(), { once: true });
  try {
    const reading = readClient(socket, { process, input, output, context }, signal);
    reading.catch((error: unknown) => {
      if (!signal.aborted) failure.reject(error);
    });
    await Promise.race([output.run(process, signal), failure.promise]);
  } catch (error) {
    if (context.signal.aborted) throw error;
    input.abandon();
    throw new SocketRefused(`pty stream failed: ${problemOf(error)}`, { cause: error });
  } finally {
    clearInterval(ping);
    ended.abort();
    const finished = input
      .finish(LEFT_MS, LEFT_TOTAL_MS)
      .catch((error: unknown) => context.logger.warn("pty.input_lost", { problem: problemOf(error) }));
    // The session is not over while it holds what its client sent, unless the server closes, which its client hears at once.
    if (!context.signal.aborted || socket.closed.aborted) await finished;
  }
};

/** Sub-protocol with which a client asks for binary frames before its first message. */
export const BINARY_SUBPROTOCOL = "wrenn.pty.binary";

async function open(
  first: Inbound,
  { processes, subprotocol, isStrict, signal }: SocketContext,
): Promise<Opened> {
  const message = first.type === "json" ? first.value : undefined;
  const binaryByProtocol = subprotocol === BINARY_SUBPROTOCOL;
  if (Value.Check(Typed, message) && message.type === "connect") {
    if (!Value.Check(Connect, message)) throw new SocketRefused("connect requires a 'tag' field");
    listedOrRefused(Connect, message, isStrict);
    const { from } = message;
    return {
      process: await connect(processes, message.tag, signal),
      from: from === undefined ? "oldest" : { stdout: from, stderr: 0 },
      binary: binaryByProtocol || message.binary === true,
      extended: message.extended === true || from !== undefined,
    };
  }
  if (!Value.Check(Typed, message) || message.type !== "start")
    throw new SocketRefused("first message must be type 'start' or 'connect'");
  if (!Value.Check(Start, message)) {
    const [problem] = Value.Errors(Start, message);
    throw new SocketRefused(
      `failed to start pty: ${problem?.instancePath.slice(1) ?? "message"} ${problem?.message ?? "is not valid"}`,
    );
  }
  listedOrRefused(Start, message, isStrict);
  const { cmd = "", args = [], envs = {}, cwd, user } = message;
  try {
    validateCommandText({ cmd, args, envs });
    const process = await startProcess(
      processes,
      {
        cmd: cmd === "" ? DEFAULT_COMMAND : cmd,
        args,
        envs,
        ...defined({ cwd, user }),
        terminal: { cols: message.cols || DEFAULT_COLS, rows: message.rows || DEFAULT_ROWS },
        stdin: true,
        output: "attached",
      },
      signal,
    );
    return {
      process,
      from: "oldest",
      binary: binaryByProtocol || message.binary === true,
      extended: message.extended === true,
    };
  } catch (error) {
    throw new SocketRefused(`failed to start pty: ${problemOf(error)}`, { cause: error });
  }
}

async function connect(
  processes: SocketContext["processes"],
  tag: string,
  signal: AbortSignal,
): Promise<CapsuleProcess> {
  try {
    const process = await processes.find(tag, signal);
    if (process.facts.terminal) return process;
  } catch (error) {
    throw new SocketRefused(`failed to connect to pty: ${problemOf(error)}`, { cause: error });
  }
  throw new SocketRefused(`failed to connect to pty: ${tag} is not a terminal`);
}

interface Terminal {
  readonly process: CapsuleProcess;
  readonly input: InputQueue;
  readonly output: PtyOutput;
  readonly context: SocketContext;
}

/** Takes the client's messages until it leaves. What is no known message is ignored, as the contract has it. */
async function readClient(
  socket: ClientSocket,
  { process, input, output, context }: Terminal,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const message = await socket.receive(signal);
    if (!message) return;
    context.touch();
    if (message.type === "bytes") {
      input.write(message.bytes);
      continue;
    }
    const { value } = message;
    if (Value.Check(Input, value)) input.write(Buffer.from(value.data, "base64"));
    else if (Value.Check(Resize, value)) input.resize(value.cols, value.rows);
    else if (Value.Check(Acknowledge, value)) output.acknowledge(value.bytes);
    else if (Value.Check(Typed, value) && value.type === "kill")
      await process.kill(SIGKILL, "tree", AbortSignal.timeout(CALL_MS));
  }
}
