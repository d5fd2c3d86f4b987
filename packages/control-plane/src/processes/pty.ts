import { constants } from "node:os";
import { abortable, problemOf } from "@wrenn/core";
import type { CapsuleProcess } from "@wrenn/protocol";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { SocketRefused } from "../http/socket-route.ts";
import type { SocketHandler, SocketContext } from "../http/socket-route.ts";
import { closeCode } from "../http/client-socket.ts";
import type { ClientSocket } from "../http/client-socket.ts";
import { sendCapsuleEvents } from "./capsule-events.ts";
import { acknowledgeInput } from "./input-acknowledgements.ts";
import { InputQueue } from "./input-queue.ts";
import { openTerminal, readTerminalRequest } from "./open-terminal.ts";
import { TerminalAcknowledge, TerminalInput, TerminalResize } from "./pty-messages.ts";
import { PtyOutput } from "./pty-output.ts";
import { TerminalSessions } from "./terminal-sessions.ts";
import type { TerminalSession } from "./terminal-sessions.ts";

const { SIGKILL } = constants.signals;
const PING_MS = 30_000;
/** A client that continues its session finds out sooner that its connection is dead. */
const SESSION_PING_MS = 15_000;
const CALL_MS = 10_000;
/** A terminal that takes no input is usually about to exit. If it has not exited after this time, the session fails. */
const EXIT_MS = 5000;
/** What a client sent before it left is given up when the terminal takes none of it for this long. */
const LEFT_MS = 2000;
/** The same however slowly it takes it: the session holds its place until then. */
const LEFT_TOTAL_MS = 10_000;
/** A server that closes waits this long to find out how much of the input was taken. */
const CLOSING_MS = 1000;

const Typed = Type.Object({ type: Type.String() });
const TAKEN_OVER = "another connection continues this session";

/** How one connection uses a session that outlives it. */
interface SessionUse {
  readonly session: TerminalSession;
  /** Aborts when another connection takes the session over. */
  readonly takenOver: AbortSignal;
}

/**
 * A terminal (docs/reference/websocket-api.md#terminals). It belongs to the capsule and not to the socket: a client may leave and come back by its tag,
 * several may watch and type, and what the log still holds is shown to whoever connects.
 */
export function createPty(): SocketHandler {
  const sessions = new TerminalSessions();
  return async (socket, context) => {
    const first = await socket.receive(context.signal);
    if (!first) return;
    const request = readTerminalRequest(first, context.isStrict);
    const { session_id: id } = request;
    if (id === undefined) return await serve(socket, context, request, undefined);
    const session = sessions.find(context.capsuleId, id);
    const takenOver = new AbortController();
    const place = session.take(() => {
      takenOver.abort();
      socket.cut({ type: "error", data: TAKEN_OVER, fatal: true }, closeCode.policy, TAKEN_OVER);
    });
    try {
      if (!(await abortable(context.signal, place.ready))) throw new SocketRefused(TAKEN_OVER);
      await serve(socket, context, request, { session, takenOver: takenOver.signal });
    } finally {
      place.leave();
      if (session.isOver) sessions.forget(context.capsuleId, id);
      sessions.bound(context.capsuleId);
    }
  };
}

async function serve(
  socket: ClientSocket,
  context: SocketContext,
  request: ReturnType<typeof readTerminalRequest>,
  use: SessionUse | undefined,
): Promise<void> {
  const session = use?.session;
  const opened = await openTerminal(request, context, session);
  const { process, from, isResumed } = opened;
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const output = new PtyOutput(socket, opened);
  await socket.send({
    type: "started",
    tag: process.facts.tag ?? "",
    pid: process.facts.pid,
    live_offset: opened.liveOffset,
    ...(session && { resumed: isResumed, input_offset: session.inputTaken, ping_ms: SESSION_PING_MS }),
  });
  const ping = setInterval(
    () => void socket.send({ type: "ping" }).catch(() => {}),
    session ? SESSION_PING_MS : PING_MS,
  );
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  const onFailure = (cause: unknown): void => {
    process.wait(AbortSignal.timeout(EXIT_MS)).catch(() => failure.reject(cause));
  };
  const onTaken = session && acknowledgeInput(socket, session, context.logger);
  const input = new InputQueue(process, socket, onFailure, onTaken);
  const endEvents = opened.capsuleEvents ? sendCapsuleEvents(socket, context) : () => undefined;
  socket.expectInput();
  for (const end of [context.accessEnded, use?.takenOver])
    end?.addEventListener("abort", () => input.abandon(), { once: true });
  const terminal = { process, input, output, context, session };
  try {
    const reading = readClient(socket, terminal, signal);
    reading.catch((error: unknown) => {
      if (!signal.aborted) failure.reject(error);
    });
    await Promise.race([output.run(session?.outputFrom(process, from) ?? process, signal), failure.promise]);
    // What is not acknowledged is in the log, which nothing is added to any longer.
    session?.release();
  } catch (error) {
    if (context.signal.aborted) throw error;
    input.abandon();
    throw new SocketRefused(`pty stream failed: ${problemOf(error)}`, { cause: error });
  } finally {
    endEvents();
    clearInterval(ping);
    ended.abort();
    const isClosing = context.signal.aborted && !socket.closed.aborted;
    if (session && isClosing) await input.stop(CLOSING_MS);
    const finished = input
      .finish(LEFT_MS, LEFT_TOTAL_MS)
      .catch((error: unknown) => context.logger.warn("pty.input_lost", { problem: problemOf(error) }));
    // The session is not over while it holds what its client sent, unless the server closes, which its client hears at once.
    if (!isClosing) await finished;
    if (!input.isSettled) session?.addInput(undefined);
  }
}

interface Terminal {
  readonly process: CapsuleProcess;
  readonly input: InputQueue;
  readonly output: PtyOutput;
  readonly context: SocketContext;
  readonly session: TerminalSession | undefined;
}

/** Takes the client's messages until it leaves. What is no known message is ignored, as the contract has it. */
async function readClient(socket: ClientSocket, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const { process, input, output, context, session } = terminal;
  for (;;) {
    const message = await socket.receive(signal);
    if (!message) return;
    context.touch();
    if (message.type === "bytes") {
      input.write(message.bytes);
      continue;
    }
    const { value } = message;
    if (Value.Check(TerminalInput, value)) input.write(Buffer.from(value.data, "base64"));
    else if (Value.Check(TerminalResize, value)) input.resize(value.cols, value.rows);
    else if (Value.Check(TerminalAcknowledge, value)) acknowledge(value, output, session);
    else if (Value.Check(Typed, value) && value.type === "kill")
      await process.kill(SIGKILL, "tree", AbortSignal.timeout(CALL_MS));
    else if (Value.Check(Typed, value) && value.type === "detach") session?.end();
  }
}

function acknowledge(
  { bytes, offset }: { readonly bytes?: number | undefined; readonly offset?: number | undefined },
  output: PtyOutput,
  session: TerminalSession | undefined,
): void {
  if (session && offset !== undefined) session.acknowledge(output.acknowledgeTo(offset));
  else if (!session && bytes !== undefined) output.acknowledge(bytes);
}
