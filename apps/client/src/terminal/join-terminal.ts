import type { Terminal as RemoteTerminal, TerminalExit } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { signalCodes } from "../errors/exit-codes.ts";
import type { SignalName } from "../errors/exit-codes.ts";
import { writeAll } from "../programs/write-all.ts";
import type { DetachKeys } from "./detach-keys.ts";
import { LocalTerminal } from "./local-terminal.ts";
import type { TerminalSize } from "./local-terminal.ts";
import { ReconnectNotice } from "./reconnect-notice.ts";
import { hasQueries, ReplayFilter } from "./terminal-queries.ts";
import { TypedInput } from "./typed-input.ts";

/** What opens the terminal in the capsule. */
export interface OpenTerminal extends TerminalSize {
  readonly onConnection: (isConnected: boolean) => void;
  readonly onUnknownInput: (bytes: number) => void;
}

export interface JoinOptions {
  /** Opens the terminal in the capsule, with the size that the first program is to see. */
  readonly open: (options: OpenTerminal) => Promise<RemoteTerminal>;
  /** Undefined: no keys leave the terminal. */
  readonly detachKeys: DetachKeys | undefined;
  /** Whether keys are for the program. Without, nothing is read, and Ctrl-C leaves the terminal. Default: true. */
  readonly hasInput?: boolean;
}

/** How the use of a terminal ended. */
export interface TerminalOutcome {
  readonly terminal: RemoteTerminal;
  /** Exit code of the program, or undefined: it runs on. */
  readonly exitCode: number | undefined;
  /** The signal on which it was left. */
  readonly signal: SignalName | undefined;
}

/** Answers to queries that a program did not wait for arrive within this, in milliseconds. */
const ANSWERS_MS = 100;
/** Queries that were printed so shortly before the end may still be answered, in milliseconds. */
const LATE_QUERY_MS = 500;

/**
 * Joins the user's terminal to one in a capsule, until its program ends or the user leaves it: with the detach keys, by a signal, or with
 * Ctrl-C while the connection is broken.
 *
 * @throws WrennError of the SDK; the reason of the context's signal.
 */
export async function joinTerminal(context: Context, options: JoinOptions): Promise<TerminalOutcome> {
  const { terminal: streams } = context;
  const { stdin, stderr } = streams;
  const hasInput = stdin.isTTY && (options.hasInput ?? true);
  let leave: (signal: SignalName | undefined) => void = () => undefined;
  const left = new Promise<SignalName | undefined>((resolve) => (leave = resolve));
  // Both are called once the terminal is open.
  const resize = (): void => {
    const { cols, rows } = local.size;
    if (cols !== undefined && rows !== undefined) remote.resize(cols, rows);
  };
  const local = new LocalTerminal(streams, resize);
  const notice = new ReconnectNotice(stderr, options.detachKeys?.text, () => redraw(local, remote));
  const started = local.size;
  const { connectionIs: onConnection, inputIsUnknown: onUnknownInput } = notice;
  const remote = await options.open({ ...started, onConnection, onUnknownInput });
  const input = new TypedInput(stdin, remote, options.detachKeys, {
    onDetach: () => leave(undefined),
    // No program sees it: nothing answers.
    onInterrupt: () => notice.isShown && leave("SIGINT"),
  });
  try {
    context.signalHandler = leave;
    local.take(hasInput);
    if (local.size.cols !== started.cols || local.size.rows !== started.rows) resize();
    if (hasInput) input.start();
    const ended = show(context, local, remote);
    ended.catch(() => undefined);
    const outcome = await Promise.race([ended, left.then((signal) => ({ signal }))]);
    input.stop();
    if ("exitCode" in outcome) return { terminal: remote, exitCode: outcome.exitCode, signal: undefined };
    await remote.detach();
    return { terminal: remote, exitCode: undefined, signal: outcome.signal };
  } finally {
    context.signalHandler = undefined;
    notice.stop();
    input.stop();
    local.release();
    // The reader of our output is gone, and the SDK ends the program: before this process ends.
    if (context.signal.aborted) await remote.exited.catch(() => undefined);
  }
}

/** Prints what the program prints, to its end. */
async function show(
  { terminal: { stdin, stdout }, signal }: Context,
  local: LocalTerminal,
  remote: RemoteTerminal,
): Promise<TerminalExit> {
  const replay = new ReplayFilter();
  let queriedAt = Number.NEGATIVE_INFINITY;
  const reader = remote.readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const bytes = replay.filter(value, remote.liveOffset - remote.offset);
    if (hasQueries(bytes)) queriedAt = performance.now();
    local.observe(bytes);
    await writeAll(stdout, bytes, signal);
  }
  const exit = await remote.exited;
  // The answer would be typed into the shell that started us.
  if (stdin.isTTY && performance.now() - queriedAt < LATE_QUERY_MS)
    await new Promise((resolve) => setTimeout(resolve, ANSWERS_MS));
  return exit;
}

/** Programs draw again when the size changes, and not otherwise. */
function redraw(local: LocalTerminal, remote: RemoteTerminal): void {
  const { cols, rows } = local.size;
  if (cols === undefined || rows === undefined) return;
  remote.resize(cols, rows > 1 ? rows - 1 : rows + 1);
  remote.resize(cols, rows);
}

/** Exit code of the command where the program runs on. */
export function leftCode(signal: SignalName | undefined): number {
  return signal === undefined ? 0 : signalCodes[signal];
}
