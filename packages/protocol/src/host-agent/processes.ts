/** Processes of one capsule. Offsets count bytes of one output stream from its first byte (ARCHITECTURE.md#the-decisions-that-shape-everything). */
export interface CapsuleProcesses {
  /**
   * Starts a process.
   *
   * @throws WrennError `cwd_not_found`, `user_not_found`, `tag_in_use`, `argument_list_too_long`, `invalid_field` (a limit).
   */
  start(request: StartRequest, signal: AbortSignal): Promise<CapsuleProcess>;
  /** Finds a live or recently exited process by pid (all digits) or tag. @throws WrennError `process_not_found`. */
  find(selector: string, signal: AbortSignal): Promise<CapsuleProcess>;
  /** Live processes that were started through the API. */
  list(signal: AbortSignal): Promise<readonly ProcessFacts[]>;
}

export interface StartRequest {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly envs: Readonly<Record<string, string>>;
  /** Working directory; the user's home when absent. */
  readonly cwd?: string;
  /** User name or uid; the template's default user when absent. */
  readonly user?: string;
  readonly tag?: string;
  /** Present for a terminal. */
  readonly terminal?: { readonly cols: number; readonly rows: number };
  /** Whether standard input is a pipe; /dev/null otherwise. A terminal always has input. */
  readonly stdin: boolean;
  /** Attached processes are slowed down by slow readers; detached ones never wait, their oldest output is dropped and counted. */
  readonly output: "attached" | "detached";
  /** Limits of the process and what it starts; the guest's own where absent. */
  readonly limits?: ProcessLimits;
}

/** Resources of setrlimit(2): CPU seconds, bytes, or counts. */
export type ResourceName =
  | "cpuSeconds"
  | "fileBytes"
  | "dataBytes"
  | "stackBytes"
  | "coreBytes"
  | "processes"
  | "openFiles"
  | "lockedBytes"
  | "addressSpaceBytes";

/** `Infinity` is no limit. A soft limit may be raised by the process up to the hard one. */
export type ProcessLimits = Readonly<
  Partial<Record<ResourceName, { readonly soft: number; readonly hard: number }>>
>;

export interface ProcessFacts {
  readonly pid: number;
  readonly tag?: string;
  readonly cmd: string;
  readonly args: readonly string[];
  readonly terminal: boolean;
  readonly startedAt: number;
  readonly exit?: ProcessExit;
}

export interface ProcessExit {
  /** As the kernel's reaper said: the exit code, or 128 + signal. */
  readonly exitCode: number;
  /** Signal number that ended it, if one did. */
  readonly signal?: number;
}

export type OutputStream = "stdout" | "stderr";

/** What a reader of a process's output meets, in order per stream. A terminal's output is `stdout`. */
export type OutputEvent =
  | {
      readonly type: "data";
      readonly stream: OutputStream;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  /** Bytes `from` up to `to` were dropped before this reader got them. */
  | { readonly type: "dropped"; readonly stream: OutputStream; readonly from: number; readonly to: number }
  /** The terminal was resized at this point of the output. */
  | { readonly type: "resized"; readonly cols: number; readonly rows: number }
  /** Last event: the process ended and all it wrote was delivered. */
  | { readonly type: "exit"; readonly exit: ProcessExit };

export interface CapsuleProcess {
  readonly facts: ProcessFacts;
  /**
   * Output from the given offsets on, ending with `exit`. Several readers may read at once. Not taking the next event
   * is back-pressure. `now` starts at the current end, `oldest` at the oldest byte still held.
   */
  output(from: OutputStart, signal: AbortSignal): AsyncIterable<OutputEvent>;
  /** What the log still holds of both streams, from the given offsets on, without waiting for more. */
  held(from: { readonly stdout: number; readonly stderr: number }, signal: AbortSignal): Promise<HeldOutput>;
  /** Resolves with the exit once the reaper knows it. */
  wait(signal: AbortSignal): Promise<ProcessExit>;
  /** Writes to standard input; resolves when the guest has taken the bytes. @throws WrennError `stdin_closed`. */
  write(bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Closes standard input after everything written so far. */
  closeInput(signal: AbortSignal): Promise<void>;
  /** Sends a signal to the process group, or to every process it started. An exited process is fine. */
  kill(signalNumber: number, scope: "group" | "tree", signal: AbortSignal): Promise<void>;
  /** Changes the size of the terminal. @throws WrennError `not_a_terminal`. */
  resize(cols: number, rows: number, signal: AbortSignal): Promise<void>;
}

/** `offset` is where `bytes` really begin: later than asked when older bytes were dropped. */
export type HeldOutput = Readonly<
  Record<OutputStream, { readonly offset: number; readonly bytes: Uint8Array }>
>;

export type OutputStart = "oldest" | "now" | { readonly stdout: number; readonly stderr: number };
