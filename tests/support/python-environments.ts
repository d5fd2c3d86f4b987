import { hash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { holdLock, readFileIfPresent, runCommand, tryCommand } from "@wrenn/system";
import { projectRoot } from "./sources.ts";

/** Debian's; another one may come first in the path. */
const PYTHON = "/usr/bin/python3";
const LOCKS = join(projectRoot, "tests/e2b-python");
const CACHE = join(process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn", "python-environments");
const INSTALL_MS = 5 * 60_000;
const DIGEST_DIGITS = 20;

/** What pip prints when it reaches no index, and none of its caches has the packages. */
const UNREACHABLE =
  /NewConnectionError|Failed to establish a new connection|Temporary failure in name resolution|Network is unreachable|Connection (?:refused|reset)|timed out|ProxyError|from versions: none/;

/** An environment with the packages of a lock file, or why there is none. */
export type PythonEnvironment =
  | { readonly python: string; readonly missing?: never }
  | { readonly missing: string; readonly python?: never };

/**
 * A virtual environment with the packages of a lock file of tests/e2b-python, each verified by its hash. It is kept in the cache: the next
 * test that asks for the same lock with the same Python finds it there. Processes that ask at once install once.
 *
 * @param lock - name of the file without its ending.
 * @returns `missing` where the package index cannot be reached. @throws WrennError `command_failed` for every other failure.
 */
export async function pythonEnvironment(lock: string): Promise<PythonEnvironment> {
  const file = join(LOCKS, `${lock}.txt`);
  const { stdout: version } = await runCommand([PYTHON, "-VV"]);
  const digest = hash("sha256", `${version}\n${await readFile(file, "utf8")}`).slice(0, DIGEST_DIGITS);
  const directory = join(CACHE, `${lock}-${digest}`);
  const python = join(directory, "bin/python");
  await mkdir(CACHE, { recursive: true });
  await using _ = await holdLock(`${directory}.lock`, AbortSignal.timeout(INSTALL_MS));
  // Written last: an installation that was interrupted begins again.
  const marker = join(directory, "installed");
  if ((await readFileIfPresent(marker)) !== undefined) return { python };
  await rm(directory, { recursive: true, force: true });
  await runCommand([PYTHON, "-m", "venv", directory]);
  const install = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--require-hashes",
    "--only-binary=:all:",
    "--retries=1",
  ];
  const { code, stderr } = await tryCommand([python, ...install, `--requirement=${file}`], {
    signal: AbortSignal.timeout(INSTALL_MS),
  });
  if (code === 0) {
    await writeFile(marker, "");
    return { python };
  }
  await rm(directory, { recursive: true, force: true });
  if (UNREACHABLE.test(stderr))
    return { missing: `the package index cannot be reached: ${lastLine(stderr)}` };
  throw new Error(`the packages of ${file} cannot be installed: ${stderr}`);
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
