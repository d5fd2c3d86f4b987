import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** Runs a program that shares our terminal; resolves with its exit code. The project's own tools come first on PATH. */
export async function runInherited(argv: readonly [string, ...string[]], directory: string): Promise<number> {
  const [program, ...args] = argv;
  const path = `${join(directory, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  const child = spawn(program, args, {
    cwd: directory,
    stdio: "inherit",
    env: { ...process.env, PATH: path },
  });
  const [code] = (await once(child, "close")) as [number | null];
  return code ?? 1;
}
