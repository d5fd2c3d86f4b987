import { withDeadline, WrennError } from "@wrenn/core";
import type { FileOptions } from "@wrenn/protocol";
import type { EnvdSandbox } from "../envd-sandbox.ts";

const ROOT = "root";
const MAKE_MS = 30_000;

/** Directories that every system has: nothing is asked of the guest for paths in them (Filesystem Hierarchy Standard, section 3). */
const STANDARD = new Set(
  "bin boot dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var".split(" "),
);

/** Makes a directory of `/` and gives it to a user; fails when it exists. */
const MAKE = 'mkdir -m 755 -- "$1" && chown -- "$2:" "$1"';

type TopSandbox = Pick<EnvdSandbox, "files" | "processes">;

/**
 * Makes the directory of `/` that a path is or lies in, if it is missing, and gives it to the user: programs written for E2B make
 * `/workspace` and its like, which only root could. What exists is left as it is, and everything else has the user's rights.
 *
 * @param path - as `pathOf` gives it.
 * @returns whether it made `path` itself.
 * @throws WrennError of files and processes; a directory that is made at the same time by somebody else is none.
 */
export async function makeTopDirectory(
  { files, processes }: TopSandbox,
  path: string,
  options: FileOptions & { readonly user: string },
): Promise<boolean> {
  const [, name = "", ...below] = path.split("/");
  if (!path.startsWith("/") || name === "" || STANDARD.has(name) || options.user === ROOT) return false;
  const top = `/${name}`;
  return await withDeadline(`making ${top}`, MAKE_MS, options.signal, async (signal) => {
    try {
      await files.stat(top, { user: options.user, signal });
      return false;
    } catch (error) {
      if (!WrennError.is(error, "path_not_found")) throw error;
    }
    const process = await processes.start(
      {
        cmd: "/bin/sh",
        args: ["-c", MAKE, "sh", top, options.user],
        envs: {},
        user: ROOT,
        cwd: "/",
        stdin: false,
        output: "detached",
        timeoutMs: MAKE_MS,
      },
      signal,
    );
    // When it fails, the call that follows says why: the user has no right to make the directory.
    const { exitCode } = await process.wait(signal);
    return exitCode === 0 && below.length === 0;
  });
}
