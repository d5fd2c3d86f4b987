import { defined, WrennError } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses } from "@wrenn/protocol";

/** Whose processes a command starts, where, and with which variables. */
export interface StepScope {
  /** Name or id; empty for the capsule's own. */
  readonly user: string;
  /** Default: the home of the user. */
  readonly cwd?: string | undefined;
  readonly envs: Readonly<Record<string, string>>;
}

/** What is remembered of each stream of a command, characters: why it failed is at its end. */
const REMEMBERED = 8192;
const SIGKILL = 9;

export interface BuildCommand {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly scope: StepScope;
  /** Milliseconds; then it is ended with all that it started. */
  readonly timeoutMs: number;
  /** What it reads; nothing unless given. */
  readonly input?: AsyncIterable<Uint8Array>;
}

export interface CommandEnd {
  readonly exitCode: number;
  readonly timedOut: boolean;
  /** The ends of both streams. */
  readonly stdout: string;
  readonly stderr: string;
}

export type TakeOutput = (stream: "stdout" | "stderr", text: string) => Promise<void>;

/** The scope of what the builder itself does in a capsule. */
export const rootScope: StepScope = { user: "root", cwd: "/", envs: {} };

/**
 * Runs a command to its end, and passes on what it prints. An abort leaves it running: the capsule of a build that is aborted ends.
 *
 * @throws WrennError for a command that cannot be started.
 */
export async function runCommand(
  processes: CapsuleProcesses,
  { cmd, args, scope, timeoutMs, input }: BuildCommand,
  take: TakeOutput,
  signal: AbortSignal,
): Promise<CommandEnd> {
  const { user, cwd, envs } = scope;
  const process = await processes.start(
    {
      cmd,
      args: [...args],
      envs: { ...envs },
      stdin: input !== undefined,
      output: "attached",
      timeoutMs,
      ...defined({ user, cwd }),
    },
    signal,
  );
  const feeding = input === undefined ? undefined : feed(process, input, signal);
  feeding?.catch(() => {});
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const ends = { stdout: "", stderr: "" };
  const pass = async (stream: "stdout" | "stderr", bytes?: Uint8Array): Promise<void> => {
    const text = decoders[stream].decode(bytes, { stream: bytes !== undefined });
    if (text === "") return;
    ends[stream] = endOf(ends[stream] + text, REMEMBERED);
    await take(stream, text);
  };
  for await (const event of process.output("oldest", signal)) {
    if (event.type === "data") await pass(event.stream, event.bytes);
    if (event.type !== "exit") continue;
    await pass("stdout");
    await pass("stderr");
    await feeding;
    return { ...ends, exitCode: event.exit.exitCode, timedOut: event.exit.timedOut === true };
  }
  throw new Error("the output of a command ended without its exit");
}

/** Writes what a command reads. One that ends before it has read everything says itself why. */
async function feed(
  process: CapsuleProcess,
  input: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const piece of input) await process.write(piece, signal);
  } catch (error) {
    if (WrennError.is(error, "stdin_closed")) return;
    // It would wait for the rest.
    await process.kill(SIGKILL, "tree", signal);
    throw error;
  }
  await process.closeInput(signal);
}

/**
 * The end of a text that is not longer than `most` characters. A longer one is cut before a line, or before a word of a longer line:
 * secrets are masked in it later, and half of a secret would not be found.
 */
export function endOf(text: string, most: number): string {
  if (text.length <= most) return text;
  // With the character before it, which may end a line.
  const end = text.slice(-most - 1);
  const line = end.indexOf("\n");
  // So that at least half of it is left.
  const at = line >= 0 && line < most / 2 ? line : Math.max(end.search(/\s/), 0);
  return end.slice(at + 1).toWellFormed();
}

/** Starts a command that goes on by itself, whether its output is read or not. */
export async function startCommand(
  processes: CapsuleProcesses,
  { cmd, args, scope }: Omit<BuildCommand, "timeoutMs">,
  signal: AbortSignal,
): Promise<CapsuleProcess> {
  const { user, cwd, envs } = scope;
  return await processes.start(
    { cmd, args: [...args], envs: { ...envs }, stdin: false, output: "detached", ...defined({ user, cwd }) },
    signal,
  );
}

/** Why a command failed, in its own last words; undefined when it succeeded. */
export function problemWith(
  { exitCode, timedOut, stderr, stdout }: CommandEnd,
  timeoutMs: number,
): string | undefined {
  if (timedOut) return `it took longer than ${timeoutMs / 1000} s`;
  if (exitCode === 0) return undefined;
  const words = (stderr.trim() === "" ? stdout : stderr).trim();
  return words === "" ? `exit code ${exitCode}` : `exit code ${exitCode}: ${words}`;
}
