import { Type } from "typebox";
import { Bytes, Count, Text } from "./scalars.ts";
import type { Described } from "./scalars.ts";

/** Processes of one capsule. Offsets count bytes of one output stream from its first byte (ARCHITECTURE.md#the-decisions-that-shape-everything). */
export interface CapsuleProcesses {
  /**
   * Starts a process.
   *
   * @throws WrennError `cwd_not_found`, `user_not_found`, `tag_in_use`, `tag_used`, `argument_list_too_long`, `process_limit_in_capsule`,
   *   `memory_full_in_capsule`, `invalid_field` (a limit).
   */
  start(request: StartRequest, signal: AbortSignal): Promise<CapsuleProcess>;
  /** Finds a live or recently exited process by pid (all digits) or tag. @throws WrennError `process_not_found`. */
  find(selector: string, signal: AbortSignal): Promise<CapsuleProcess>;
  /** Live processes that were started through the API. */
  list(signal: AbortSignal): Promise<readonly ProcessFacts[]>;
  /** The same, and those that exited lately, with their exit. Looking at them does not use the capsule. */
  recent(signal: AbortSignal): Promise<readonly ProcessFacts[]>;
}

/** How long the output of a paced process waits for a reader. */
export const PACED_ABSENCE_MS = 30_000;

/** Longest time limit of a process: a day. */
export const MAX_TIMEOUT_MS = 86_400_000;

const TimeLimit = Type.Integer({ minimum: 1, maximum: MAX_TIMEOUT_MS });

/** `Infinity` is no limit. */
const Limit = Type.Refine(Type.Unsafe<number>({}), (value) => typeof value === "number" && value >= 0);
/** A soft limit may be raised by the process up to the hard one. */
const LimitPair = Type.Object({ soft: Limit, hard: Limit });

/** Limits by resource of setrlimit(2): CPU seconds, bytes, or counts. */
export const ProcessLimits = Type.Partial(
  Type.Object({
    cpuSeconds: LimitPair,
    fileBytes: LimitPair,
    dataBytes: LimitPair,
    stackBytes: LimitPair,
    coreBytes: LimitPair,
    processes: LimitPair,
    openFiles: LimitPair,
    lockedBytes: LimitPair,
    addressSpaceBytes: LimitPair,
  }),
);
export type ProcessLimits = Described<typeof ProcessLimits>;
export type ResourceName = keyof ProcessLimits;

export const StartRequest = Type.Object({
  cmd: Type.String(),
  args: Type.Array(Type.String()),
  envs: Type.Record(Type.String(), Type.String()),
  /** Working directory; the user's home when absent. */
  cwd: Type.Optional(Text),
  /** User name or uid; the template's default user when absent. */
  user: Type.Optional(Text),
  tag: Type.Optional(Text),
  /** Whether the tag must not be that of an exited process that is still known either: who starts it twice by mistake starts it once. */
  unusedTag: Type.Optional(Type.Boolean()),
  /** Present for a terminal. */
  terminal: Type.Optional(Type.Object({ cols: Count, rows: Count })),
  /** Whether standard input is a pipe; /dev/null otherwise. A terminal always has input. */
  stdin: Type.Boolean(),
  /**
   * Attached processes are slowed down by slow readers, and wait for a reader when there is none. Detached ones never wait: their oldest
   * output is dropped and counted. Paced ones are attached, until they have had no reader for {@link PACED_ABSENCE_MS}: from then on they
   * are like detached ones until the next reader.
   */
  output: Type.Enum(["attached", "detached", "paced"]),
  /**
   * The process is ended with everything it started when it has run this long: SIGTERM, and SIGKILL when that is not enough. Pauses of
   * the capsule do not count. The time begins again when the host agent restarts.
   */
  timeoutMs: Type.Optional(TimeLimit),
  /** Limits of the process and what it starts; the guest's own where absent. */
  limits: Type.Optional(ProcessLimits),
  /** Text of the caller that {@link ProcessFacts} has too. A long one is dropped. */
  note: Type.Optional(Type.String()),
});
export type StartRequest = Described<typeof StartRequest>;

export const ProcessExit = Type.Object({
  /** As the kernel's reaper said: the exit code, or 128 + signal. */
  exitCode: Type.Integer(),
  /** Signal number that ended it, if one did. */
  signal: Type.Optional(Count),
  /** Its {@link StartRequest.timeoutMs} was over. Not known any longer when the host agent has restarted since. */
  timedOut: Type.Optional(Type.Boolean()),
});
export type ProcessExit = Described<typeof ProcessExit>;

export const ProcessFacts = Type.Object({
  pid: Count,
  tag: Type.Optional(Text),
  cmd: Text,
  args: Type.Array(Type.String()),
  terminal: Type.Boolean(),
  startedAt: Type.Number(),
  /** The time limit that applies, of a host that knows such limits. */
  timeoutMs: Type.Optional(TimeLimit),
  /** Bytes of input that were taken from the first on. Absent where there never was an input. */
  inputOffset: Type.Optional(Count),
  exit: Type.Optional(ProcessExit),
  /** As it was started with, or as the guest has changed it. */
  note: Type.Optional(Type.String()),
});
export type ProcessFacts = Described<typeof ProcessFacts>;

export const OutputStream = Type.Enum(["stdout", "stderr"]);
export type OutputStream = Described<typeof OutputStream>;

/** Bytes of one stream, from `offset` on. */
export const OutputData = Type.Object({
  type: Type.Literal("data"),
  stream: OutputStream,
  offset: Count,
  bytes: Bytes,
});

/** What a reader meets between the bytes. */
export const OutputMark = Type.Union([
  /** Bytes `from` up to `to` were dropped before this reader got them. */
  Type.Object({ type: Type.Literal("dropped"), stream: OutputStream, from: Count, to: Count }),
  /** The terminal was resized at this point of the output. */
  Type.Object({ type: Type.Literal("resized"), cols: Count, rows: Count }),
  /** Last event: the process ended and all it wrote was delivered. */
  Type.Object({ type: Type.Literal("exit"), exit: ProcessExit }),
]);

/** What a reader of a process's output meets, in order per stream. A terminal's output is `stdout`. */
export type OutputEvent = Described<typeof OutputData> | Described<typeof OutputMark>;

/** An offset of each output stream. */
export const OutputOffsets = Type.Object({ stdout: Count, stderr: Count });
export type OutputOffsets = Described<typeof OutputOffsets>;

export const OutputStart = Type.Union([Type.Literal("oldest"), Type.Literal("now"), OutputOffsets]);
export type OutputStart = Described<typeof OutputStart>;

/** `offset` is where `bytes` really begin: later than asked when older bytes were dropped. */
const HeldBytes = Type.Object({ offset: Count, bytes: Bytes });
export const HeldOutput = Type.Object({ stdout: HeldBytes, stderr: HeldBytes });
export type HeldOutput = Described<typeof HeldOutput>;

export const KillScope = Type.Enum(["group", "tree"]);
export type KillScope = Described<typeof KillScope>;

export interface CapsuleProcess {
  readonly facts: ProcessFacts;
  /**
   * Output from the given offsets on, ending with `exit`. Several readers may read at once. Not taking the next event
   * is back-pressure. `now` starts at the current end, `oldest` at the oldest byte still held.
   */
  output(from: OutputStart, signal: AbortSignal): AsyncIterable<OutputEvent>;
  /** What the log still holds of both streams, from the given offsets on, without waiting for more. */
  held(from: OutputOffsets, signal: AbortSignal): Promise<HeldOutput>;
  /** Resolves with the exit once the reaper knows it. */
  wait(signal: AbortSignal): Promise<ProcessExit>;
  /**
   * Writes to standard input, after everything that was written before the call; resolves when the guest has taken the bytes. The
   * guest holds little more than what the process reads. Aborting takes back every byte that is not in the guest yet.
   *
   * @param offset - place of the first byte in the whole input: bytes that were taken before are skipped. Default: behind everything.
   * @throws WrennError `input_offset_differs` for an offset behind the end of what was taken, which `expected` of its context is.
   * @throws WrennError `input_not_read` when the signal aborted the wait: `accepted` of its context is how many bytes the guest
   * took, and the rest never arrives; `stdin_closed`, also when the process exits during the wait; `host_unavailable` when
   * the link to the host broke and nothing is known of the bytes. The signal's reason when it had aborted before the call.
   */
  write(bytes: Uint8Array, signal: AbortSignal, offset?: number): Promise<void>;
  /**
   * Closes standard input after everything that was written before the call; resolves when the guest has all of it. Aborting leaves
   * the input open.
   *
   * @throws WrennError `input_not_read` when the signal aborted the wait; `host_unavailable`.
   */
  closeInput(signal: AbortSignal): Promise<void>;
  /** Sends a signal to the process group, or to every process it started. An exited process is fine. */
  kill(signalNumber: number, scope: KillScope, signal: AbortSignal): Promise<void>;
  /** Changes the size of the terminal. @throws WrennError `not_a_terminal`. */
  resize(cols: number, rows: number, signal: AbortSignal): Promise<void>;
}
