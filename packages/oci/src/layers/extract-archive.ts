import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { asError, WrennError } from "@wrenn/core";
import { hasCode } from "@wrenn/system";

const MAX_ERROR_TEXT = 64 * 1024;

/**
 * Has GNU tar write an archive of ours below a directory, with owners, permissions, times and extended attributes. The archive names every
 * directory before what is in it and no name twice, so that tar follows no link: it is not given the archives of an image.
 *
 * @param pieces - each is written before the next one is asked for.
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
      "--record-size=256K",
      "--read-full-records",
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
    const fed = feed(child.stdin, pieces).catch((error: unknown) => asError(error));
    const code = await exited;
    const problem = await fed;
    signal.throwIfAborted();
    if (problem && !hasCode(problem, "EPIPE", "ECONNRESET", "ERR_STREAM_DESTROYED")) throw problem;
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

/** Waits for each piece to be written, as its buffer is used for the next one. */
async function feed(input: Writable, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  // Each write reports its error itself.
  input.on("error", () => {});
  try {
    for await (const piece of pieces)
      await new Promise<void>((resolve, reject) => {
        input.write(piece, (error) => (error ? reject(error) : resolve()));
      });
    input.end();
  } catch (error) {
    input.destroy();
    throw error;
  }
}
