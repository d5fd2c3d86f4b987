import { isWrennError } from "@wrenn/sdk";
import { ClientError } from "../errors/client-error.ts";
import type { CopyFailure } from "./copy-entry.ts";

/** Failures of the server that concern one path. */
const OF_PATH = new Set([
  "path_not_found",
  "path_exists",
  "path_in_use",
  "not_a_directory",
  "is_a_directory",
  "not_a_file",
  "path_invalid",
  "permission_denied",
  "read_only_file_system",
  "file_operation_failed",
  "file_changed",
  "invalid_option",
]);
/** Failures of this machine that concern one path; others, such as a full disk, end the copy. */
const OF_LOCAL_PATH =
  /^(?:EACCES|EPERM|ENOENT|ENOTDIR|EISDIR|EEXIST|ENOTEMPTY|ELOOP|ENAMETOOLONG|EILSEQ|EINVAL|EROFS|EXDEV|EBUSY|ENXIO|EIO)$/;

/** The failure of one entry. @throws the error when it concerns the copy as a whole. */
export function failureOf(path: string, error: unknown): CopyFailure {
  if (error instanceof ClientError && error.exit !== "interrupted")
    return { path, code: error.code, message: error.message };
  const reason = isWrennError(error) ? (error.reason ?? error.code) : "";
  if (isWrennError(error) && OF_PATH.has(reason)) return { path, code: reason, message: error.message };
  const code = localCode(error);
  if (code !== undefined && OF_LOCAL_PATH.test(code))
    return { path, code, message: error instanceof Error ? error.message : code };
  throw error;
}

/** The error of a path that does not exist. */
export function missing(label: string, cause: unknown): ClientError {
  return new ClientError("notFound", "path_not_found", `${label} does not exist`, "Check the path.", {
    cause,
  });
}

/** A failure of this machine's file system as an error for people; other errors stay as they are. */
export function explained(label: string, error: unknown): unknown {
  const code = localCode(error);
  if (code === undefined) return error;
  if (code === "ENOENT") return missing(label, error);
  const message = error instanceof Error ? error.message : code;
  return new ClientError(
    "failed",
    "local_file_failed",
    `${label}: ${message}`,
    "Check the path, its permissions and the free space.",
    { cause: error },
  );
}

/** The two sides have other bytes. */
export function differs(label: string, what: string): ClientError {
  return new ClientError(
    "failed",
    "copy_differs",
    `${label}: ${what}`,
    "Repeat the copy while nothing writes to the file.",
  );
}

/** Name of an error of the system, such as `ENOENT`. */
export function localCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

export function hasLocalCode(error: unknown, ...codes: readonly string[]): boolean {
  const code = localCode(error);
  return code !== undefined && codes.includes(code);
}
