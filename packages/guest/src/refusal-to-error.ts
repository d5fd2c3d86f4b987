import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import { GuestRefusal } from "./lane/guest-refusal.ts";
import { StreamRefused } from "./lane/outbound-stream.ts";

const { status } = guestChannel;
/** The guest runs the same operating system on the same architecture as its host, so errno has the same numbers in both. */
const { errno } = constants;
const systemErrors = getSystemErrorMap();
/** How the guest describes a FIFO, socket or device where it needs a file; a path may follow. */
const NOT_A_FILE = "not a regular file";

/** What was being done to which path, for the message. */
export interface FileContext {
  readonly operation: string;
  readonly path: string;
  readonly user: string;
}

/** The catalogue's error for a refusal of a file request; any other error as it is. */
export function fileError(error: unknown, context: FileContext): unknown {
  if (!(error instanceof GuestRefusal) && !(error instanceof StreamRefused)) return error;
  const { operation, user } = context;
  const detail = error instanceof GuestRefusal ? error.message : "";
  // Of a tree or of two paths, the guest names the one that the error is about.
  const path = detail.startsWith("/") ? detail : context.path;
  const cause = { cause: error };
  switch (error.status) {
    case errno.ENOENT:
      return new WrennError("path_not_found", { path }, cause);
    case errno.EEXIST:
      return new WrennError("path_exists", { path }, cause);
    case errno.ENOTDIR:
      return new WrennError("not_a_directory", { path }, cause);
    case errno.EISDIR:
      return new WrennError("is_a_directory", { path }, cause);
    case errno.ENOTEMPTY:
      return new WrennError("directory_not_empty", { path }, cause);
    case errno.EPERM:
    case errno.EACCES:
      return new WrennError("permission_denied", { path }, cause);
    case errno.ENOSPC:
    case errno.EDQUOT:
      return new WrennError("disk_full_in_capsule", { path }, cause);
    case errno.EROFS:
      return new WrennError("read_only_file_system", { path }, cause);
    case errno.ENAMETOOLONG:
      return new WrennError("path_invalid", { problem: "a name or the whole path is too long" }, cause);
    case status.noSuchUser:
      return new WrennError("user_not_found", { user }, cause);
    case status.tooLarge:
      return new WrennError("too_many_entries", { path }, cause);
    case errno.ELOOP:
      return new WrennError("path_invalid", { problem: `too many symbolic links: ${path}` }, cause);
    case errno.EBUSY:
      return new WrennError("path_in_use", { path }, cause);
    case errno.EINVAL:
      if (error.message.startsWith(NOT_A_FILE)) {
        const named = error.message.slice(NOT_A_FILE.length).replace(/^: /, "");
        return new WrennError("not_a_file", { path: named === "" ? path : named }, cause);
      }
      return new WrennError(
        "path_invalid",
        { problem: detail === "" || detail === path ? `${operation} is not possible for ${path}` : detail },
        cause,
      );
    default:
  }
  const problem = systemErrors.get(-error.status)?.[1];
  if (error instanceof GuestRefusal && problem === undefined)
    return generalError(error, `${operation} of ${path}`);
  return new WrennError(
    "file_operation_failed",
    { operation, path, problem: problem ?? `errno ${error.status}` },
    cause,
  );
}

/** The catalogue's error for a refusal of START. */
export function startError(
  error: unknown,
  request: { readonly cmd: string; readonly cwd: string; readonly user: string },
): unknown {
  if (!(error instanceof GuestRefusal)) return error;
  switch (error.status) {
    case status.badCwd:
      return new WrennError("cwd_not_found", { cwd: request.cwd }, { cause: error });
    case status.noSuchUser:
      return new WrennError("user_not_found", { user: request.user }, { cause: error });
    case errno.EAGAIN:
      return new WrennError("process_limit_in_capsule", { cmd: request.cmd }, { cause: error });
    case errno.ENOMEM:
      return new WrennError("memory_full_in_capsule", { cmd: request.cmd }, { cause: error });
    case errno.E2BIG:
    case status.tooLarge:
      return new WrennError("argument_list_too_long", { cmd: request.cmd }, { cause: error });
    default:
      return generalError(error, `starting ${request.cmd}`);
  }
}

/** For refusals that no request alone can cause. */
export function generalError(error: GuestRefusal, operation: string): WrennError {
  if (error.status === status.busy)
    return new WrennError("guest_busy", { problem: error.message || operation }, { cause: error });
  const problem = error.message === "" ? `status ${error.status}` : error.message;
  return error.status === status.badRequest || error.status === status.unknownHandle
    ? new WrennError("guest_protocol", { problem: `${operation}: ${problem}` }, { cause: error })
    : new WrennError("operation_failed", { operation, problem }, { cause: error });
}
