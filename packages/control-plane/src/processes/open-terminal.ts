import { defined, problemOf } from "@wrenn/core";
import type { CapsuleProcess, OutputStart } from "@wrenn/protocol";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { validateCommandText } from "../http/command-text.ts";
import type { Inbound } from "../http/client-socket.ts";
import { SocketRefused } from "../http/socket-route.ts";
import type { SocketContext } from "../http/socket-route.ts";
import { listedOrRefused } from "../http/strict-fields.ts";
import { outputEnd } from "./output-end.ts";
import { TerminalConnect, TerminalStart } from "./pty-messages.ts";
import { startProcess } from "./start-process.ts";
import type { TerminalSession } from "./terminal-sessions.ts";

const DEFAULT_COMMAND = "/bin/bash";
const DEFAULT_COLS = 80;
const DEFAULT_ROWS = 24;

/** Sub-protocol with which a client asks for binary frames before its first message. */
export const BINARY_SUBPROTOCOL = "wrenn.pty.binary";

const Typed = Type.Object({ type: Type.String() });

/** The first message of a client of terminals. */
type TerminalRequest = TerminalStart | TerminalConnect;

export interface OpenedTerminal {
  readonly process: CapsuleProcess;
  readonly from: OutputStart;
  readonly acknowledged: number | undefined;
  readonly binary: boolean;
  readonly extended: boolean;
  readonly capsuleEvents: boolean;
  /** Where the output begins that the terminal prints from now on. */
  readonly liveOffset: number;
  /** The client's session is known here: none of its input is unaccounted for. */
  readonly isResumed: boolean;
}

/** @throws SocketRefused; WrennError `invalid_field` for a field that is not known, where the client wants such refused. */
export function readTerminalRequest(first: Inbound, isStrict: boolean): TerminalRequest {
  const message = first.type === "json" ? first.value : undefined;
  if (Value.Check(Typed, message) && message.type === "connect") {
    if (!Value.Check(TerminalConnect, message)) throw new SocketRefused(connectProblem(message));
    listedOrRefused(TerminalConnect, message, isStrict);
    return message;
  }
  if (!Value.Check(Typed, message) || message.type !== "start")
    throw new SocketRefused("first message must be type 'start' or 'connect'");
  if (!Value.Check(TerminalStart, message))
    throw new SocketRefused(`failed to start pty: ${problemIn(TerminalStart, message)}`);
  listedOrRefused(TerminalStart, message, isStrict);
  return message;
}

/**
 * Starts the terminal, or finds it. In a session that has one already, `start` finds that one: a client that does not know whether its
 * first message arrived sends it again.
 *
 * @throws SocketRefused
 */
export async function openTerminal(
  request: TerminalRequest,
  { processes, subprotocol, signal }: SocketContext,
  session: TerminalSession | undefined,
): Promise<OpenedTerminal> {
  const process =
    request.type === "connect"
      ? await connect(processes, request.tag, signal)
      : ((await startedBefore(processes, session, signal)) ?? (await start(processes, request, signal)));
  const { from, acknowledged } = request.type === "connect" ? request : { from: undefined };
  return {
    process,
    from: from === undefined ? "oldest" : { stdout: from, stderr: 0 },
    acknowledged: session && (acknowledged ?? from ?? 0),
    binary: subprotocol === BINARY_SUBPROTOCOL || request.binary === true,
    extended: request.extended === true || from !== undefined || session !== undefined,
    capsuleEvents: request.capsule_events === true,
    liveOffset:
      request.type === "connect" || session?.tag !== undefined
        ? (await outputEnd(process, signal)).stdout
        : 0,
    isResumed: session?.continueWith(process) ?? false,
  };
}

async function start(
  processes: SocketContext["processes"],
  { cmd = "", args = [], envs = {}, cwd, user, cols, rows }: TerminalStart,
  signal: AbortSignal,
): Promise<CapsuleProcess> {
  try {
    validateCommandText({ cmd, args, envs });
    return await startProcess(
      processes,
      {
        cmd: cmd === "" ? DEFAULT_COMMAND : cmd,
        args,
        envs,
        ...defined({ cwd, user }),
        terminal: { cols: cols || DEFAULT_COLS, rows: rows || DEFAULT_ROWS },
        stdin: true,
        output: "attached",
      },
      signal,
    );
  } catch (error) {
    throw new SocketRefused(`failed to start pty: ${problemOf(error)}`, { cause: error });
  }
}

async function startedBefore(
  processes: SocketContext["processes"],
  session: TerminalSession | undefined,
  signal: AbortSignal,
): Promise<CapsuleProcess | undefined> {
  return session?.tag === undefined ? undefined : await connect(processes, session.tag, signal);
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

/** Clients know the text about the tag. */
function connectProblem(message: unknown): string {
  const hasTag = Value.Check(Type.Pick(TerminalConnect, ["tag"]), message);
  return hasTag
    ? `failed to connect to pty: ${problemIn(TerminalConnect, message)}`
    : "connect requires a 'tag' field";
}

function problemIn(schema: typeof TerminalStart | typeof TerminalConnect, message: unknown): string {
  const [problem] = Value.Errors(schema, message);
  return `${problem?.instancePath.slice(1) ?? "message"} ${problem?.message ?? "is not valid"}`;
}
