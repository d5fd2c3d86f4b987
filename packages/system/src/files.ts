import { access, readFile } from "node:fs/promises";

/** Whether `path` exists and every directory on the way to it can be entered. */
export async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** The text of a file, or undefined when there is no such file. @throws the operating system's error for any other failure. */
export async function readFileIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Whether an error is the operating system's (or Node's) with one of these codes, e.g. `"ENOENT"`. */
export function hasCode(error: unknown, ...codes: readonly string[]): error is Error & { code: string } {
  return (
    error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code)
  );
}
