/** One of the two output streams of a command. */
export type OutputStream = "stdout" | "stderr";

export const outputStreams: readonly OutputStream[] = ["stdout", "stderr"];

/** A number of bytes, or a position, of each output stream. */
export interface OutputOffsets {
  readonly stdout: number;
  readonly stderr: number;
}

/** How a command ended. */
export interface CommandExit {
  /** The program's own, 128 + signal, or 124 when its time was up. */
  readonly exitCode: number;
  /** Number of the signal that ended it. */
  readonly signal?: number;
  /** The server ended it because its time was up. */
  readonly isTimedOut: boolean;
}

/** What is met in the output of a command. The exit is the last. */
export type OutputEvent =
  | { readonly type: "data"; readonly stream: OutputStream; readonly bytes: Uint8Array }
  | { readonly type: "dropped"; readonly stream: OutputStream; readonly bytes: number }
  | { readonly type: "exit"; readonly exit: CommandExit };
