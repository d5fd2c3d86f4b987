import { defined, problemOf } from "@wrenn/core";
import type { CapsuleProcess } from "@wrenn/protocol";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { EnvironmentBody, validateCommandText } from "../http/command-text.ts";
import { CapsuleEvents, sendCapsuleEvents } from "./capsule-events.ts";
import { LimitsBody, processLimits } from "./process-limits.ts";
import { InputQueue } from "./input-queue.ts";
import { startProcess } from "./start-process.ts";
import { endTree } from "./run-foreground.ts";
import { forwardOutput } from "./forward-output.ts";
import { SocketOutput } from "./socket-output.ts";
import { SocketRefused } from "../http/socket-route.ts";
import type { SocketHandler, SocketContext } from "../http/socket-route.ts";
import { listedOrRefused } from "../http/strict-fields.ts";
import type { ClientSocket } from "../http/client-socket.ts";

export const ExecStart = Type.Object(
  {
    type: Type.Literal("start"),
    cmd: Type.String({ minLength: 1, maxLength: 4096 }),
    args: Type.Optional(Type.Array(Type.String())),
    envs: Type.Optional(EnvironmentBody),
    cwd: Type.Optional(Type.String({ maxLength: 4096 })),
    user: Type.Optional(Type.String({ maxLength: 64 })),
    timeout_sec: Type.Optional(Type.Number({ minimum: 0, maximum: 86_400 })),
    stdin: Type.Optional(Type.Boolean()),
    limits: Type.Optional(LimitsBody),
    capsule_events: CapsuleEvents,
    encoding: Type.Optional(Type.Union([Type.Literal("utf-8"), Type.Literal("base64")])),
  },
  { title: "ExecStart", description: "Starts the command; the first message" },
);

export const ExecInput = Type.Object(
  { type: Type.Literal("stdin"), data: Type.String({ description: "Base64" }) },
  { title: "ExecInput", description: "Standard input, when `start` asked for it" },
);
const Control = Type.Object({ type: Type.String() });

/**
 * Runs one command and streams its output (docs/reference/websocket-api.md#commands). The command lives as long as its client: `stop`, a vanished
 * client and an expired `timeout_sec` end it with everything it started.
 */
export const execStream: SocketHandler = async (socket, context) => {
  const first = await socket.receive(context.signal);
  if (!first) return;
  const start = first.type === "json" ? first.value : undefined;
  if (!Value.Check(ExecStart, start))
    throw new SocketRefused("first message must be type 'start' with a 'cmd' field");
  listedOrRefused(ExecStart, start, context.isStrict);
  const { cmd, args = [], envs = {}, stdin = false, encoding = "utf-8" } = start;
  let process: CapsuleProcess;
  try {
    validateCommandText({ cmd, args, envs });
    process = await startProcess(
      context.processes,
      {
        cmd,
        args,
        envs,
        ...defined({
          cwd: start.cwd,
          user: start.user,
          limits: start.limits && processLimits(start.limits),
        }),
        stdin,
        output: "attached",
      },
      context.signal,
    );
  } catch (error) {
    throw new SocketRefused(`failed to start exec stream: ${problemOf(error)}`, { cause: error });
  }
  let timedOut = false;
  const ended = new AbortController();
  const timer =
    start.timeout_sec === undefined || start.timeout_sec === 0
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          end(process, context);
        }, start.timeout_sec * 1000);
  let endEvents = (): void => undefined;
  try {
    await socket.send({ type: "start", pid: process.facts.pid });
    if (start.capsule_events === true) endEvents = sendCapsuleEvents(socket, context);
    const reading = readClient(process, socket, context, ended.signal);
    const output = new SocketOutput(socket, { encoding, offsets: false, timedOut: () => timedOut });
    await forwardOutput(process, output, "oldest", context.signal);
    ended.abort();
    await reading;
  } catch (error) {
    end(process, context);
    throw error;
  } finally {
    endEvents();
    clearTimeout(timer);
    ended.abort();
  }
};

/** Takes the client's messages until the command has ended. Input waits in a queue: what comes behind it is seen at once. */
async function readClient(
  process: CapsuleProcess,
  socket: ClientSocket,
  context: SocketContext,
  ended: AbortSignal,
): Promise<void> {
  // Input that is not read any longer is no failure of the command, whose exit follows.
  const input = new InputQueue(process, socket, (error) =>
    context.logger.debug("exec_stream.input_failed", { problem: problemOf(error) }),
  );
  socket.expectInput();
  context.accessEnded.addEventListener("abort", () => input.abandon(), { once: true });
  try {
    for (;;) {
      const message = await socket.receive(ended);
      if (!message) return;
      if (message.type === "bytes") input.write(message.bytes);
      else if (Value.Check(ExecInput, message.value)) input.write(Buffer.from(message.value.data, "base64"));
      else if (Value.Check(Control, message.value)) {
        if (message.value.type === "stdin_close") input.close();
        else if (message.value.type === "stop") end(process, context);
      }
    }
  } catch (error) {
    if (!ended.aborted) throw error;
  } finally {
    input.abandon();
  }
}

function end(process: CapsuleProcess, { logger }: SocketContext): void {
  endTree(process).catch((error: unknown) => {
    logger.warn("exec_stream.end_failed", { pid: process.facts.pid, problem: problemOf(error) });
  });
}
