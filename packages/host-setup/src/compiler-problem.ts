const LENGTH_LIMIT = 500;

/**
 * The line of a failed build that says what is wrong: the compiler's or linker's first error, else what make said last.
 */
export function compilerProblem(stderr: string): string | undefined {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const line =
    lines.find((text) => /(?:fatal )?error:/.test(text)) ??
    lines.find((text) => text.includes("undefined reference to") || text.includes("cannot find -l")) ??
    lines.find((text) => text.startsWith("make")) ??
    lines.at(-1);
  return line?.trim().slice(0, LENGTH_LIMIT);
}
