import { user } from "./catalogue-entry.ts";

/** The part of the error catalogue about processes and files in a capsule. */
export const guestErrors = {
  guest_busy: user(
    "rate_limited",
    429,
    "the capsule has too much under way: {problem}",
    "Read the answers that are on their way, end what is not needed, and send the request again.",
    1,
  ),
  too_much_under_way: user(
    "rate_limited",
    429,
    "{limit} requests of this {scope} are under way already",
    "Take the answers that are on their way, end sessions that are not used, and send the request again.",
    1,
  ),
  bodies_full: user(
    "rate_limited",
    429,
    "requests of this {scope} have bodies under way that may take {limit} bytes together",
    "Finish the requests that are begun, and send fewer large ones at a time.",
    1,
  ),
  // Processes
  cwd_not_found: user(
    "invalid_request",
    400,
    "cwd does not exist: {cwd}",
    "Create the directory first, or leave cwd out to start in the user's home.",
  ),
  user_not_found: user(
    "invalid_request",
    400,
    "no such user in the capsule: {user}",
    "Use 'root', 'user', or a user you have added inside the capsule.",
  ),
  capsule_destroyed: user(
    "not_found",
    404,
    "the capsule was destroyed",
    "Create a new one with POST /v1/capsules.",
  ),
  process_not_found: user(
    "not_found",
    404,
    "process not found: {selector}",
    "List processes with GET /v1/capsules/{id}/processes.",
  ),
  stdin_closed: user(
    "conflict",
    409,
    "standard input of {selector} is closed",
    "Start the process with stdin open, and write before it is closed or the process exits.",
  ),
  input_not_read: user(
    "conflict",
    409,
    "{selector} does not read its input: {accepted} of {bytes} bytes were taken",
    "Send the rest, from the first byte that was not taken, once the process reads.",
  ),
  input_offset_differs: user(
    "conflict",
    409,
    "the input of {selector} continues at byte {expected}",
    "Send the bytes from the offset that the error names.",
  ),
  not_a_terminal: user("conflict", 409, "{selector} is not a terminal", "Start it through the pty endpoint."),
  tag_in_use: user(
    "conflict",
    409,
    "tag {tag} belongs to a live process",
    "Choose another tag, or end that process first.",
  ),
  tag_used: user(
    "conflict",
    409,
    "tag {tag} belongs to a process that has ended",
    "Follow that process by its tag when it is the one that you started; otherwise choose another tag.",
  ),
  argument_list_too_long: user(
    "invalid_request",
    400,
    "arguments and environment of {cmd} are too large",
    "Pass large data through standard input or a file.",
  ),
  // Files
  path_not_found: user(
    "not_found",
    404,
    "no such file or directory: {path}",
    "Check the path; relative paths start at the user's home.",
  ),
  path_exists: user(
    "conflict",
    409,
    "{path} already exists",
    "Use another path, or remove the existing one first.",
  ),
  path_in_use: user(
    "conflict",
    409,
    "{path} is in use by the capsule's system",
    "Mount points can be neither removed nor moved; unmount it first.",
  ),
  path_invalid: user(
    "invalid_request",
    400,
    "invalid path: {problem}",
    "Paths are 1 to 4096 bytes without NUL.",
  ),
  not_a_directory: user("invalid_request", 400, "not a directory: {path}", "Give the path of a directory."),
  is_a_directory: user(
    "invalid_request",
    400,
    "is a directory: {path}",
    "Give the path of a file, or download the directory as an archive.",
  ),
  not_a_file: user(
    "invalid_request",
    400,
    "not a regular file: {path}",
    "Devices, pipes and sockets cannot be read or written through the file API.",
  ),
  directory_not_empty: user("conflict", 409, "directory is not empty: {path}", "Remove it recursively."),
  permission_denied: user(
    "forbidden",
    403,
    "permission denied: {path}",
    "Use a user that may do this, such as root.",
  ),
  disk_full_in_capsule: user(
    "disk_full",
    507,
    "no space left in the capsule for {path}",
    "Delete files in the capsule.",
  ),
  read_only_file_system: user("forbidden", 403, "read-only file system: {path}", "Write to another path."),
  // Uploads
  upload_not_found: user(
    "not_found",
    404,
    "no such upload: {upload}",
    "It may be complete, abandoned, or older than a day; look at the file, or begin a new upload.",
  ),
  upload_offset_differs: user(
    "conflict",
    409,
    "the upload continues at byte {offset}",
    "Send the bytes from the offset that HEAD of the upload names.",
  ),
  upload_in_use: user(
    "conflict",
    409,
    "another request sends bytes of upload {upload}",
    "Wait until it has ended; then ask for the offset.",
  ),
  upload_too_long: user(
    "too_large",
    413,
    "the upload has {size} bytes, and these lead past its end",
    "Send the bytes that are missing, or begin a new upload with the right size.",
  ),
  too_many_uploads: user(
    "conflict",
    409,
    "the capsule has {limit} open uploads",
    "Complete or abandon one of them.",
  ),
  uploads_unsupported: user(
    "conflict",
    409,
    "this capsule was created by an earlier version, without resumable uploads",
    "Upload with PUT files/content, or use a new capsule.",
  ),
  file_operation_failed: user(
    "invalid_request",
    400,
    "{operation} of {path} failed: {problem}",
    "Check the path and its file system.",
  ),
};
