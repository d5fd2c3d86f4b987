/** Options of every program that is started in a capsule. */
export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  /** Milliseconds after which the program is ended. */
  readonly timeout?: number;
  readonly tag?: string;
}

/** A program and its arguments, as the SDK takes them. */
export function commandOf(words: readonly string[]): {
  readonly cmd: string;
  readonly args: readonly string[];
} {
  const [cmd = "", ...args] = words;
  return { cmd, args };
}
