import { invalidOption, requireKnownOptions, secondsOf } from "../transport/options.ts";
import type { StdinSource } from "./stdin-source.ts";
import type { ExecBody } from "./wire.ts";

/** Limits of a command and of what it starts, as setrlimit(2) has them. */
export interface CommandLimits {
  readonly cpuSeconds?: number | undefined;
  readonly fileBytes?: number | undefined;
  readonly dataBytes?: number | undefined;
  readonly stackBytes?: number | undefined;
  readonly coreBytes?: number | undefined;
  readonly processes?: number | undefined;
  readonly openFiles?: number | undefined;
  readonly lockedBytes?: number | undefined;
  readonly addressSpaceBytes?: number | undefined;
}

/** Options that every command takes. */
export interface CommandOptions {
  /** Arguments: `cmd` is then a program, found by `PATH`. Without them `cmd` is a line for `/bin/sh -c`. */
  readonly args?: readonly string[] | undefined;
  /** Environment, in addition to that of the capsule. */
  readonly envs?: Readonly<Record<string, string>> | undefined;
  /** Working directory. Default: the user's home. */
  readonly cwd?: string | undefined;
  /** Name or number of the user who runs it. Default: that of the capsule. */
  readonly user?: string | undefined;
  /** Milliseconds after which the command and everything it started is ended. Default: 0, no limit. */
  readonly timeoutMs?: number | undefined;
  /** Ends the command and everything it started when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Standard input: text or bytes, or a stream of them, after which it is closed. `true` leaves it open for
   * {@link CommandHandle.sendStdin}. Default: `/dev/null`.
   */
  readonly stdin?: boolean | StdinSource | undefined;
  /** Bytes of each stream that a result keeps. Default: 8 MiB. */
  readonly maxOutputBytes?: number | undefined;
  /** Limits of the process and of each that it starts. */
  readonly limits?: CommandLimits | undefined;
  /**
   * What the process is found by: 1 to 256 bytes, not all digits. Unique among live processes, and with `output: "attached"` among those
   * that ended within the last ten minutes, too. Default: one is chosen.
   */
  readonly tag?: string | undefined;
  /**
   * `bytes` gives chunks as bytes, and results with `stdoutBytes` and `stderrBytes` beside the text. Default: `text`.
   */
  readonly encoding?: "text" | "bytes" | undefined;
  /**
   * `attached`: the command waits for its output to be read, as with a pipe, so that nothing is lost; without any reader it waits for 30 s
   * at most. `detached`: it never waits, and output beyond the newest 1 MiB is dropped and counted. Default: `attached`.
   */
  readonly output?: "attached" | "detached" | undefined;
}

/** Options of a command whose end is awaited. */
export interface RunOptions<Chunk = string> extends CommandOptions {
  /**
   * Gets standard output as it arrives; the result then has none of it. A promise that it returns is awaited before the next chunk.
   * An error that it throws ends the command and rejects the call.
   */
  readonly onStdout?: ((chunk: Chunk) => unknown) | undefined;
  /** The same for standard error. */
  readonly onStderr?: ((chunk: Chunk) => unknown) | undefined;
  /** Rejects with `command_failed` when the exit code is not 0. Default: false. */
  readonly check?: boolean | undefined;
  readonly background?: false | undefined;
}

/** Options of a command that goes on by itself. */
export interface BackgroundOptions extends CommandOptions {
  /** Gives a {@link CommandHandle} as soon as the command has started. */
  readonly background: true;
}

type AnyOptions = RunOptions | RunOptions<Uint8Array> | BackgroundOptions;

const commandOptionNames = [
  "args",
  "envs",
  "cwd",
  "user",
  "timeoutMs",
  "signal",
  "stdin",
  "maxOutputBytes",
  "limits",
  "tag",
  "encoding",
  "output",
] as const satisfies readonly (keyof CommandOptions)[];

const names = {
  run: [...commandOptionNames, "onStdout", "onStderr", "check", "background"],
  background: [...commandOptionNames, "background"],
};

/** Names of {@link CommandLimits} on the wire. */
const limitNames = {
  cpuSeconds: "cpu_seconds",
  fileBytes: "file_bytes",
  dataBytes: "data_bytes",
  stackBytes: "stack_bytes",
  coreBytes: "core_bytes",
  processes: "processes",
  openFiles: "open_files",
  lockedBytes: "locked_bytes",
  addressSpaceBytes: "address_space_bytes",
} as const satisfies Record<keyof CommandLimits, string>;

const CALL = "commands.run";
export const MAX_OUTPUT_BYTES = 8 << 20;

/** @throws WrennError `unknown_option`, `invalid_option`. */
export function validateOptions(cmd: string, options: AnyOptions): void {
  const { maxOutputBytes, encoding, output, background, stdin } = options;
  if (typeof cmd !== "string" || cmd === "")
    throw invalidOption(CALL, "cmd", "must be a text that is not empty");
  requireKnownOptions(CALL, options, background === true ? names.background : names.run);
  requireKnownOptions(`${CALL}: limits`, options.limits, Object.keys(limitNames));
  secondsOf(CALL, "timeoutMs", options.timeoutMs ?? 0);
  if (maxOutputBytes !== undefined && !(Number.isSafeInteger(maxOutputBytes) && maxOutputBytes >= 0))
    throw invalidOption(CALL, "maxOutputBytes", `must be a number of bytes from 0, not ${maxOutputBytes}`);
  if (stdin === true && background !== true)
    throw invalidOption(CALL, "stdin", "can be true with background only: nothing else can write to it");
  requireOneOf("encoding", encoding, ["text", "bytes"]);
  requireOneOf("output", output, ["attached", "detached"]);
  for (const name of ["onStdout", "onStderr"] as const) {
    const callback: unknown = (options as RunOptions)[name];
    if (callback !== undefined && typeof callback !== "function")
      throw invalidOption(CALL, name, `must be a function, not ${typeof callback}`);
  }
}

function requireOneOf(option: string, value: string | undefined, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value))
    throw invalidOption(CALL, option, `must be ${allowed.join(" or ")}, not '${value}'`);
}

/** @param waitSec - how long the answer may wait for the end of an attached command. */
export function execBody(cmd: string, options: CommandOptions, waitSec: number): ExecBody {
  const { args, envs, cwd, user, limits, stdin, timeoutMs = 0, tag, output } = options;
  return {
    ...(args === undefined ? { cmd: "/bin/sh", args: ["-c", cmd] } : { cmd, args }),
    tag: tag ?? newTag(),
    ...(envs === undefined ? {} : { envs }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(limits === undefined ? {} : { limits: limitsBody(limits) }),
    ...(stdin === undefined || stdin === false ? {} : { stdin: true }),
    ...(timeoutMs > 0 ? { timeout_sec: secondsOf(CALL, "timeoutMs", timeoutMs) } : {}),
    ...(output === "detached" ? { background: true } : { wait_sec: waitSec }),
  };
}

function limitsBody(limits: CommandLimits): NonNullable<ExecBody["limits"]> {
  const body: Record<string, number> = {};
  for (const [name, wireName] of Object.entries(limitNames)) {
    const value = limits[name as keyof CommandLimits];
    if (value !== undefined) body[wireName] = value;
  }
  return body;
}

/** By this the command is found again when the answer to its start is lost. */
function newTag(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return `sdk-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
