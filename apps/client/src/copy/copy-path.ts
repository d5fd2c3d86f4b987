import { ClientError } from "../errors/client-error.ts";

/** One side of a copy, as the user wrote it. */
export type CopyPath =
  | { readonly side: "standard" }
  | { readonly side: "local"; readonly path: string }
  | { readonly side: "capsule"; readonly capsule: string; readonly path: string };

/** How the path of a capsule begins after a shell of MSYS2, such as Git Bash, replaced `/` with its own directory. */
const REWRITTEN = /^[A-Za-z]:[\\/]/;
/** How such a shell rewrites `CAPSULE:/path`: as a list of paths. */
const REWRITTEN_PAIR = /^[^;/\\]+;[A-Za-z]:[\\/]/;

/**
 * Reads `CAPSULE:PATH`, a path of this machine, or `-`. What has a separator before its first colon is a path of this machine:
 * `./a:b`. On Windows so is what begins with a drive.
 *
 * @throws ClientError `path_rewritten`.
 */
export function parseCopyPath(text: string, platform: NodeJS.Platform = process.platform): CopyPath {
  if (text === "-") return { side: "standard" };
  if (text === "")
    throw new ClientError("usage", "path_empty", "a path is empty", "Name a file or directory.");
  if (REWRITTEN_PAIR.test(text)) throw rewritten(text);
  if (platform === "win32" && /^[A-Za-z]:(?:[\\/]|$)/.test(text)) return { side: "local", path: text };
  const [, capsule, path = ""] = /^([^:/\\]+):(.*)$/s.exec(text) ?? [];
  if (capsule === undefined) return { side: "local", path: text };
  return { side: "capsule", capsule, path: guestPath(path === "" ? "." : path) };
}

/**
 * A path in a capsule.
 *
 * @throws ClientError `path_rewritten` for one that a shell on Windows has replaced with a path of Windows.
 */
function guestPath(path: string): string {
  if (REWRITTEN.test(path)) throw rewritten(path);
  return path;
}

function rewritten(text: string): ClientError {
  return new ClientError(
    "usage",
    "path_rewritten",
    `'${text}' is a path of Windows where a path in the capsule is needed: the shell has rewritten it`,
    "Set MSYS_NO_PATHCONV=1 (Git Bash) or MSYS2_ARG_CONV_EXCL='*' (MSYS2), or begin the path with two slashes: //tmp/x.",
  );
}
