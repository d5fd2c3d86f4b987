import { user } from "./catalogue-entry.ts";

/** The part of the error catalogue about what callers give a capsule. */
export const capsuleErrors = {
  capsule_name_unknown: user(
    "invalid_request",
    400,
    "invalid sandbox ID",
    "This is no id, and no capsule of your team has had this name: list capsules with GET /v1/capsules.",
  ),
  capsule_name_taken: user(
    "conflict",
    409,
    "a capsule of your team is called {name}",
    "Choose another name, or rename or destroy the other capsule.",
  ),
  capsule_name_reserved: user(
    "name_reserved",
    409,
    "{name} cannot be the name of a capsule",
    "Choose a name that does not begin with 'cl-' or 'cl' and 25 characters, and is no word of the API such as stats or usage.",
  ),
  metadata_too_large: user(
    "invalid_request",
    400,
    "metadata has {size} {unit}, and {limit} are the most",
    "Remove pairs, or keep the data in a file of the capsule.",
  ),
  metadata_reserved: user(
    "invalid_request",
    400,
    "metadata.{key} is set by the platform",
    "Leave the key out: kernel_version, vmm, vmm_version, agent_version and envd_version are added to every answer.",
  ),
  filter_empty: user(
    "invalid_request",
    400,
    "the filter {field} is empty",
    "Leave the filter out, or give it a value.",
  ),
  nothing_to_change: user(
    "invalid_request",
    400,
    "the request changes nothing",
    "Send at least one field; the API reference at /docs lists them.",
  ),
  capsule_ended: user(
    "invalid_state",
    409,
    "the capsule has ended (status: {status})",
    "Only a capsule that is listed by GET /v1/capsules can be changed; create a new one.",
  ),
  lifetime_unlimited: user(
    "invalid_state",
    409,
    "the present run of the capsule has no end that could be moved",
    "Send from_now_sec to give it one, or change max_lifetime_sec.",
  ),
  disk_too_small: user(
    "invalid_request",
    400,
    "a disk of {template} has at least {least} MiB, and {wanted} were asked for",
    "Leave disk_mb out, or ask for more.",
  ),
  disk_not_growable: user(
    "conflict",
    409,
    "the disk of this template cannot grow: the template was made by an earlier version",
    "Leave disk_mb out, or make the template again.",
  ),
} as const;
