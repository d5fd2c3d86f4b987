import { system, user } from "./catalogue-entry.ts";
import type { CatalogueEntry } from "./catalogue-entry.ts";
import { hostErrors } from "./host-errors.ts";
import { capsuleErrors } from "./capsule-errors.ts";
import { accountErrors } from "./account-errors.ts";
import { channelErrors } from "./channel-errors.ts";
import { databaseErrors } from "./database-errors.ts";
import { guestErrors } from "./guest-errors.ts";
import { imageErrors } from "./image-errors.ts";
import { e2bErrors } from "./e2b-errors.ts";
import { portErrors } from "./port-errors.ts";
import { requestErrors } from "./request-errors.ts";
import { signInErrors } from "./sign-in-errors.ts";
import { templateErrors } from "./template-errors.ts";

/**
 * Every error a user can meet. The key is the precise `reason`; `code` and `status` are what the wire contract
 * (docs/reference/rest-api.md#errors) allows for it. Placeholders in braces are filled from the error's context.
 * `docs/reference/errors.md` is generated from this table.
 */
export const errorCatalogue = {
  ...requestErrors,
  // Credentials
  credentials_missing: user(
    "unauthorized",
    401,
    "X-API-Key or Authorization: Bearer <token> required",
    "Send the header X-API-Key with a key of your team.",
  ),
  api_key_invalid: user(
    "unauthorized",
    401,
    "invalid API key",
    "Check the key; a revoked or mistyped key cannot be used.",
  ),
  access_ended: user(
    "unauthorized",
    401,
    "the access that this connection was opened with has ended",
    "Connect again with a key, login or link that is valid.",
  ),
  access_unconfirmed: system(
    "host_unavailable",
    503,
    "the access that this connection was opened with cannot be confirmed at the moment",
    "Connect again in a moment; GET /ready says whether the database answers.",
  ),
  // Capsules
  capsule_not_found: user("not_found", 404, "sandbox not found", "List your capsules with GET /v1/capsules."),
  capsule_not_running: user(
    "invalid_state",
    409,
    "sandbox is not running (status: {status})",
    "Resume the capsule, or create a new one.",
  ),
  capsule_not_paused: user(
    "invalid_state",
    409,
    "sandbox is not paused (status: {status})",
    "Only a paused capsule can be resumed.",
  ),
  checkpoint_not_found: user(
    "not_found",
    404,
    "checkpoint not found: {checkpoint}",
    "List them with GET /v1/capsules/{id}/checkpoints.",
  ),
  checkpoint_in_use: user(
    "conflict",
    409,
    "checkpoint {checkpoint} is what the paused capsule resumes from",
    "Resume the capsule first, or destroy it.",
  ),
  too_many_layers: user(
    "conflict",
    409,
    "the capsule's disk and its checkpoints have {count} layers, and {limit} are the most",
    "Pause and resume the capsule, which writes the layers of its disk into one, or delete checkpoints.",
  ),
  template_in_use: user(
    "conflict",
    409,
    "template is in use by {dependants}",
    "Destroy these capsules first.",
  ),
  capsule_busy: user(
    "conflict",
    409,
    "sandbox is busy: {operation} is in progress",
    "Wait for the operation to end and try again.",
  ),
  template_not_found: user(
    "not_found",
    404,
    "template not found: {template}",
    "List templates with GET /v1/snapshots.",
  ),
  metrics_unavailable: user(
    "not_found",
    404,
    "metrics not available for a sandbox that is {status}",
    "Only running and paused capsules have metrics.",
  ),
  quota_exceeded: user(
    "forbidden",
    403,
    "your team may have {limit} {what}, and this would make {wanted}",
    "Destroy or pause capsules, delete checkpoints or templates, or ask the operator for a larger quota.",
  ),
  client_left: user(
    "client_closed_request",
    499,
    "the client left before its answer",
    "Repeat the request, with an Idempotency-Key to get the same capsule.",
  ),
  idempotency_conflict: user(
    "conflict",
    409,
    "Idempotency-Key {key} was used for another request",
    "Use a new key for each different request.",
  ),
  template_name_taken: user(
    "template_name_taken",
    409,
    "template name is taken: {template}",
    "Choose another name, or set overwrite=true to replace it.",
  ),
  template_name_reserved: user(
    "name_reserved",
    409,
    "{template} is the name of a built-in template",
    "Choose another name.",
  ),
  template_protected: user(
    "forbidden",
    403,
    "{template} is a built-in template",
    "Only templates of your team can be deleted.",
  ),
  snapshot_state: user(
    "invalid_state",
    409,
    "sandbox must be running or paused",
    "Make the snapshot of a capsule that runs or is paused.",
  ),
  ...capsuleErrors,
  ...databaseErrors,
  ...guestErrors,
  ...e2bErrors,
  ...portErrors,
  ...channelErrors,
  ...accountErrors,
  ...signInErrors,
  ...templateErrors,
  ...imageErrors,
  ...hostErrors,
  // Host and its surroundings
  deadline_exceeded: system(
    "agent_error",
    502,
    "{what} did not finish within {ms} ms",
    "Try again; if it repeats, the host is overloaded: see ./wrenn doctor.",
  ),
  machine_start_failed: system(
    "agent_error",
    502,
    "the capsule's machine could not start: {problem}",
    "Run ./wrenn doctor on the host; the console log of the capsule says more.",
  ),
  machine_died: system(
    "agent_error",
    502,
    "the capsule's machine died: {problem}",
    "Create a new capsule; the host's log holds the cause under the same request id.",
  ),
  guest_unreachable: system(
    "agent_error",
    502,
    "the guest agent does not answer: {problem}",
    "Destroy the capsule and create a new one.",
  ),
  guest_protocol: system(
    "agent_error",
    502,
    "the guest agent broke the protocol: {problem}",
    "Destroy the capsule and create a new one.",
  ),
  snapshot_corrupt: system(
    "agent_error",
    502,
    "the snapshot cannot be used: {what}: {problem}",
    'Restore an older snapshot or a copy of this one, or boot the capsule from its disk: resume it with {"memory": false}. Check the host\'s disk.',
  ),
  snapshot_incompatible: system(
    "agent_error",
    502,
    "the snapshot does not fit this host: {difference}",
    'Use it on a host that has what it was saved with: the same QEMU, CPU and host kernel, and WRENN_ACCELERATOR for the accelerator. Nothing of it is lost. Or boot the capsule from its disk: resume it with {"memory": false}.',
  ),
  host_swap_on: system(
    "agent_error",
    502,
    "memory cannot be frozen while the host swaps to {device}",
    "Switch swap off on the host with swapoff -a, and keep it off in /etc/fstab.",
  ),
  page_server_failed: system(
    "agent_error",
    502,
    "memory pages cannot be served: {problem}",
    "Destroy the capsule and resume it again; the host's log holds the cause.",
  ),
  disk_image_refused: system(
    "agent_error",
    502,
    "the disk image {path} is not used: {problem}",
    "Restore a checkpoint or create a capsule from its template. Ask the operator to look for the cause in the host's log: the image is damaged, or was changed by something other than Wrenn.",
  ),
  disk_full: system(
    "agent_error",
    502,
    "no space left on {path}",
    "Delete checkpoints, templates or capsules that you do not need, or ask the operator to free disk space on the host.",
  ),
  command_failed: system(
    "internal_error",
    500,
    "{command} failed: {problem}",
    "Run ./wrenn doctor on the host.",
  ),
  dependency_missing: system(
    "internal_error",
    500,
    "{what} is missing on the host",
    "Run ./wrenn up, which installs what is missing, or ./wrenn doctor.",
  ),
  kvm_unusable: system(
    "internal_error",
    500,
    "WRENN_ACCELERATOR is kvm, but KVM cannot be used: {problem}",
    "Load the module kvm_intel or kvm_amd, switch virtualisation on in the firmware or at the cloud provider, or set WRENN_ACCELERATOR=auto.",
  ),
  tsc_unusable: system(
    "internal_error",
    500,
    "the frequency of the host's time stamp counter cannot be measured: {problem}",
    "Emulated machines need a counter of constant rate (constant_tsc in /proc/cpuinfo): use another host, or one with KVM.",
  ),
  packages_not_installable: system(
    "internal_error",
    500,
    "Debian packages are missing and cannot be installed: {packages}: {problem}",
    "Run {command} yourself, and start again.",
  ),
  native_build_failed: system(
    "internal_error",
    500,
    "building {part} failed: {problem}",
    "See the compiler's message; {command} repeats the build.",
  ),
  operation_failed: system(
    "agent_error",
    502,
    "{operation} failed: {problem}",
    "Try again; the host's log holds the cause under the same request id.",
  ),
  server_already_runs: user(
    "conflict",
    409,
    "a server already runs on {directory}: {url}",
    "Use that one, stop it, or set WRENN_DATA_DIR to another directory.",
  ),
  network_in_use: user(
    "conflict",
    409,
    "the network state in {directory} is in use by another process",
    "Stop the other server first; it is the one whose state directory this is.",
  ),
  internal: system(
    "internal_error",
    500,
    "an internal error occurred",
    "Report it with the request id; the server log holds the cause.",
  ),
} satisfies Record<string, CatalogueEntry>;

export type ErrorReason = keyof typeof errorCatalogue;

type Placeholders<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;

/** The values that the message of a reason needs. */
export type ErrorContext<R extends ErrorReason> = Readonly<
  Record<Placeholders<(typeof errorCatalogue)[R]["message"]>, string | number>
> &
  Readonly<Record<string, string | number>>;
