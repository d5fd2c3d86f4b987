import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { defined, WrennError } from "@wrenn/core";
import { exists, holdLock, readFileIfPresent, tryCommand, writeFileAtomic } from "@wrenn/system";
import { hashFiles } from "./hash-files.ts";
import { problemLines } from "./problem-lines.ts";
import type { Progress } from "./progress.ts";

export interface BuildDashboardOptions {
  readonly projectRoot: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

const INSTALL_STEP = "installing the tools that build the dashboard";
const BUILD_STEP = "building the dashboard";
const FOLDER = "apps/dashboard";
/** What the SDK, which the dashboard is written with, is made of. */
const SDK_SOURCES = "packages/sdk/src";
/** Made here, and no sources. */
const NOT_SOURCES = new Set(["node_modules", "build", ".svelte-kit"]);
/** Read by svelte.config.ts: where the finished pages go. */
const OUTPUT = "WRENN_DASHBOARD_OUT";

/**
 * Builds the dashboard, unless it was built from these sources; its tools are installed by their own lock file when that has
 * changed. Any number of processes may ask at the same time: one of them builds. A build that fails or is aborted leaves the
 * one before it as it was.
 *
 * @returns the folder that the server serves.
 * @throws WrennError `command_failed` when npm or the bundler fails.
 */
export async function buildDashboard({
  projectRoot,
  progress,
  signal,
}: BuildDashboardOptions): Promise<string> {
  const folder = join(projectRoot, FOLDER);
  const built = join(folder, "build");
  const stamp = join(built, ".stamp");
  const hash = await hashFiles(projectRoot, [
    ...(await sourcesIn(folder)),
    ...(await sourcesIn(join(projectRoot, SDK_SOURCES))),
  ]);
  const isBuilt = async (): Promise<boolean> => (await readFileIfPresent(stamp)) === hash;
  if (await isBuilt()) return built;
  await using _ = await holdLock(folder, signal);
  if (await isBuilt()) return built;
  await installDashboardTools({ projectRoot, progress, ...defined({ signal }) });
  progress({ step: BUILD_STEP });
  await rm(stamp, { force: true });
  const fresh = await mkdtemp(join(folder, ".svelte-kit-"));
  try {
    await run([process.execPath, "node_modules/vite/bin/vite.js", "build", "--logLevel=warn"], folder, {
      variables: { [OUTPUT]: fresh },
      signal,
    });
    await rm(built, { recursive: true, force: true });
    await rename(fresh, built);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  await writeFileAtomic(stamp, hash, { mode: 0o644 });
  return built;
}

/**
 * Installs what builds and checks the dashboard, unless what its lock file names is there. The caller makes sure that nobody else
 * does at the same time.
 */
export async function installDashboardTools({
  projectRoot,
  progress,
  signal,
}: BuildDashboardOptions): Promise<void> {
  const folder = join(projectRoot, FOLDER);
  const stamp = join(folder, "node_modules/.wrenn-stamp");
  const hash = await hashFiles(folder, [join(folder, "package.json"), join(folder, "package-lock.json")]);
  if ((await readFileIfPresent(stamp)) === hash && (await exists(join(folder, "node_modules/vite")))) return;
  progress({ step: INSTALL_STEP });
  await mkdir(join(folder, "node_modules"), { recursive: true });
  await run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder, {
    variables: {},
    signal,
  });
  await writeFileAtomic(stamp, hash, { mode: 0o644 });
}

async function run(
  argv: readonly [string, ...string[]],
  folder: string,
  {
    variables,
    signal,
  }: { readonly variables: Readonly<Record<string, string>>; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const env = { ...(process.env as Record<string, string>), ...variables };
  const { code, stdout, stderr } = await tryCommand(argv, { cwd: folder, env, ...defined({ signal }) });
  if (code === 0) return;
  throw new WrennError("command_failed", {
    command: `${argv.slice(0, 2).join(" ")} in ${FOLDER}`,
    problem: problemLines(`${stderr}\n${stdout}`) || `exit code ${code}`,
  });
}

async function sourcesIn(folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) files.push(path);
    else if (entry.isDirectory() && !NOT_SOURCES.has(entry.name) && !entry.name.startsWith(".svelte-kit"))
      files.push(...(await sourcesIn(path)));
  }
  return files;
}
