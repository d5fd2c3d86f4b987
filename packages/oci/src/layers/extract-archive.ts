import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { asError, WrennError } from "@wrenn/core";
import { hasCode } from "@wrenn/system";

const MAX_ERROR_TEXT = 64 * 1024;

/**
 * Has GNU tar write an archive of ours below a directory, with owners, permissions, times and extended attributes. The archive names every
 * directory before what is in it and no name twice, so that tar follows no link: it is not given the archives of an image.
 *
 * @throws WrennError `dependency_missing`, `disk_full` or `command_failed`; what the pieces throw; the signal's reason.
 */
export async function extractArchive(
  pieces: AsyncIterable<Uint8Array>,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(
    "tar",
    [
      "--extract",
      "--file=-",
      `--directory=${directory}`,
      "--numeric-owner",
      "--same-owner",
      "--same-permissions",
      "--xattrs",
      "--xattrs-include=*",
      "--delay-directory-restore",
      // Names are ours. Without it tar changes links that lead upwards until its end.
      "--absolute-names",
    ],
    // Names are bytes, which no locale is to convert.
    { stdio: ["pipe", "ignore", "pipe"], env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" } },
  );
  const { promise: exited, resolve, reject } = Promise.withResolvers<number | null>();
  const kill = (): void => void child.kill("SIGKILL");
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-MAX_ERROR_TEXT);
  });
  child.once("error", (error) => {
    reject(
      hasCode(error, "ENOENT")
        ? new WrennError("dependency_missing", { what: "tar" }, { cause: error })
        : error,
    );
  });
  child.once("close", (code) => resolve(code));
  signal.addEventListener("abort", kill, { once: true });
  try {
    const source = Readable.from(pieces, { objectMode: false, highWaterMark: 1 });
    const fed = pipeline(source, child.stdin).catch((error: unknown) => asError(error));
    const code = await exited;
    const problem = await fed;
    signal.throwIfAborted();
    if (problem && !hasCode(problem, "EPIPE", "ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET")) throw problem;
    if (code === 0) return;
    throw /No space left on device|Disk quota exceeded/.test(errors)
      ? new WrennError("disk_full", { path: directory })
      : new WrennError("command_failed", {
          command: "tar",
          problem: errors.trim().split("\n").at(-1) || `exit code ${code}`,
        });
  } finally {
    signal.removeEventListener("abort", kill);
  }
}
