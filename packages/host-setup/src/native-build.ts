import { mkdir, readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { defined, WrennError } from "@wrenn/core";
import { holdLock, readFileIfPresent, tryCommand, writeFileAtomic } from "@wrenn/system";
import { hashFiles } from "./hash-files.ts";
import type { Progress } from "./progress.ts";

export interface NativeBuildOptions {
  /** The checkout; its folder `native` holds one folder with a Makefile per part. */
  readonly projectRoot: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

const STEP = "building the native parts";
const PROBLEM_LENGTH = 500;

/**
 * Builds every native part whose sources changed since its last complete build. Any number of processes may ask at the same
 * time; each part is built by one of them.
 *
 * @throws WrennError `native_build_failed` with the compiler's first error.
 */
export async function buildNative(options: NativeBuildOptions): Promise<void> {
  const native = join(options.projectRoot, "native");
  const parts = await findParts(native);
  for (const [index, part] of parts.entries()) {
    options.signal?.throwIfAborted();
    const directory = join(native, part);
    const hash = await hashSources(native, part);
    if ((await readStamp(directory)) === hash) continue;
    options.progress({ step: STEP, fraction: index / parts.length, detail: part });
    await buildPart(part, directory, hash, options.signal);
  }
}

async function buildPart(
  part: string,
  directory: string,
  hash: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const build = join(directory, "build");
  await mkdir(build, { recursive: true });
  await using lock = await holdLock(join(build, ".lock"), signal);
  void lock;
  if ((await readStamp(directory)) === hash) return;
  // Everything anew: a build that was killed leaves a truncated file which make takes for finished.
  const argv = ["make", "--always-make", "--directory", directory, "all"] as const;
  const result = await tryCommand(argv, defined({ signal }));
  if (result.code !== 0) {
    const problem = compilerProblem(result.stderr) ?? `make ended with exit code ${result.code}`;
    throw new WrennError("native_build_failed", { part, problem, command: `make -C ${directory} all` });
  }
  await writeFileAtomic(join(build, ".stamp"), hash, { mode: 0o644 });
}

async function findParts(native: string): Promise<readonly string[]> {
  const parts: string[] = [];
  for (const entry of await readdir(native, { withFileTypes: true })) {
    if (entry.isDirectory() && (await readdir(join(native, entry.name))).includes("Makefile")) {
      parts.push(entry.name);
    }
  }
  return parts.sort();
}

/** Hash over names and contents of everything in a part but its `build` folder, and in the parts whose sources its Makefile names. */
async function hashSources(native: string, part: string): Promise<string> {
  const makefile = await readFile(join(native, part, "Makefile"), "utf8");
  const shared = [...makefile.matchAll(/\.\.\/([a-z-]+)\/src/g)].map(([, name = ""]) => name);
  const files = await Promise.all([part, ...new Set(shared)].map((name) => sourcesOf(join(native, name))));
  return await hashFiles(native, files.flat());
}

async function sourcesOf(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(directory, path).startsWith("build/"));
}

async function readStamp(directory: string): Promise<string | undefined> {
  return await readFileIfPresent(join(directory, "build/.stamp"));
}

/**
 * The line of a failed build that says what is wrong: the compiler's or linker's first error, else what make said last.
 */
function compilerProblem(stderr: string): string | undefined {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const line =
    lines.find((text) => /(?:fatal )?error:/.test(text)) ??
    lines.find((text) => text.includes("undefined reference to") || text.includes("cannot find -l")) ??
    lines.find((text) => text.startsWith("make")) ??
    lines.at(-1);
  return line?.trim().slice(0, PROBLEM_LENGTH);
}
