/** A build context that cannot be read, with the path that is the reason. */
export class ContextError extends Error {
  override readonly name = "ContextError";
  /** Relative to the context, with slashes; `.` for the context itself. */
  readonly path: string;
  /** What the reader can do about it. */
  readonly remedy: string;

  constructor(path: string, problem: string, remedy: string, options?: { readonly cause?: unknown }) {
    super(`${path}: ${problem}`, options);
    this.path = path;
    this.remedy = remedy;
  }
}

/** The code of an error of the operating system, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
