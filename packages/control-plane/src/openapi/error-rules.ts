import type { ErrorReason } from "@wrenn/core";

interface ErrorRule {
  readonly routes: RegExp;
  readonly errors: readonly ErrorReason[];
}

/** The host of a capsule, its machine or its guest fails. */
const HOST = [
  "host_unavailable",
  "deadline_exceeded",
  "operation_failed",
  "command_failed",
  "dependency_missing",
  "machine_died",
  "guest_unreachable",
  "guest_protocol",
  "guest_busy",
  "disk_full",
  "disk_image_refused",
] as const satisfies readonly ErrorReason[];
/** A machine has to start: of a new capsule, or of one that is resumed. */
const START = [
  "machine_start_failed",
  "snapshot_corrupt",
  "snapshot_incompatible",
  "page_server_failed",
  "host_swap_on",
  "host_full",
  "no_hosts",
] as const satisfies readonly ErrorReason[];
/** A capsule has to run; one with `auto_resume` is resumed first. */
const RUNNING = [
  "capsule_not_found",
  "capsule_not_running",
  "capsule_busy",
  "quota_exceeded",
  ...HOST,
  ...START,
] as const satisfies readonly ErrorReason[];
const PATHS = [
  "path_invalid",
  "path_not_found",
  "not_a_directory",
  "is_a_directory",
  "not_a_file",
  "permission_denied",
  "user_not_found",
  "file_operation_failed",
] as const satisfies readonly ErrorReason[];
const WRITES = [
  "path_exists",
  "path_in_use",
  "directory_not_empty",
  "disk_full_in_capsule",
  "read_only_file_system",
] as const satisfies readonly ErrorReason[];

/** What routes may answer whose work is done by the host of a capsule. */
export const hostErrors: readonly ErrorReason[] = [...HOST, ...START];

/** Which errors routes add to those of their group. Every rule whose pattern fits `METHOD /url` counts. */
export const errorRules: readonly ErrorRule[] = [
  { routes: /\/:/, errors: ["path_too_long"] },
  { routes: /\/:id\b/, errors: ["invalid_id"] },
  { routes: /\/v1\/(me|auth)\/password|auth\/(login|signup|activate|bootstrap)/, errors: ["invalid_field"] },
  { routes: /capsules\/:id\b/, errors: ["capsule_not_found", "capsule_name_unknown", "capsule_destroyed"] },
  { routes: /^(POST|PUT|PATCH|DELETE) .*\/capsules\/:id\b/, errors: ["client_left"] },
  { routes: /\/v1\/(channels|audit-logs)/, errors: ["session_required"] },
  // Service
  { routes: /^GET \/ready$/, errors: ["not_ready"] },
  { routes: /^GET \/metrics$/, errors: ["route_not_found"] },
  { routes: /^GET \/download\/wrenn-/, errors: ["client_not_packed"] },
  // Accounts
  {
    routes: /^POST \/v1\/auth\/signup$/,
    errors: ["sign_up_closed", "invitation_required"],
  },
  { routes: /^POST \/v1\/auth\/bootstrap$/, errors: ["one_time_token_invalid", "email_taken"] },
  {
    routes: /^POST \/v1\/auth\/(bootstrap\/renew|browser-links\/(follow|confirm))$/,
    errors: ["one_time_token_invalid"],
  },
  { routes: /^POST \/v1\/auth\/browser-links$/, errors: ["session_required"] },
  { routes: /^DELETE \/v1\/me\/sessions\/:session$/, errors: ["session_not_found", "invalid_id"] },
  {
    routes: /^POST \/v1\/auth\/activate$/,
    errors: [
      "one_time_token_invalid",
      "already_activated",
      "activation_password_required",
      "sign_up_closed",
      "invitation_required",
      "account_disabled",
      "account_deactivated",
      "email_taken",
    ],
  },
  {
    routes: /^POST \/v1\/auth\/login$/,
    errors: ["login_failed", "account_not_activated", "account_disabled", "account_deactivated"],
  },
  {
    routes: /^POST \/v1\/auth\/refresh$/,
    errors: ["refresh_token_invalid", "account_disabled", "account_deactivated"],
  },
  { routes: /^POST \/v1\/auth\/(device|program\/)/, errors: ["token_invalid"] },
  { routes: /^POST \/v1\/auth\/program\//, errors: ["session_required", "invalid_field"] },
  {
    routes: /^POST \/v1\/auth\/device\/(lookup|approve|deny)$/,
    errors: ["session_required", "user_code_not_found", "device_login_decided", "device_code_expired"],
  },
  {
    routes: /^POST \/v1\/auth\/token$/,
    errors: [
      "device_pending",
      "device_slow_down",
      "device_code_expired",
      "device_denied",
      "device_code_invalid",
      "refresh_token_invalid",
      "account_disabled",
      "account_deactivated",
    ],
  },
  { routes: /^POST \/v1\/auth\/logout$/, errors: ["session_required"] },
  {
    routes: /^POST \/v1\/auth\/switch-team$/,
    errors: ["session_required", "invalid_id", "team_not_found", "not_a_member"],
  },
  { routes: /^POST \/v1\/me\/password\/reset\/confirm$/, errors: ["one_time_token_invalid"] },
  { routes: /^[A-Z]+ \/v1\/(me|users)\b/, errors: ["session_required"] },
  { routes: /^POST \/v1\/me\/password$/, errors: ["wrong_password"] },
  {
    routes: /^DELETE \/v1\/me$/,
    errors: ["confirmation_mismatch", "owns_team_with_members", "last_admin", ...HOST],
  },
  { routes: /\/:provider/, errors: ["provider_not_found"] },
  { routes: /^GET .*\/:provider(\/callback|\/connect)?$/, errors: ["provider_failed"] },
  { routes: /^DELETE \/v1\/me\/providers/, errors: ["provider_not_connected", "last_login_method"] },
  // Keys and teams
  { routes: /\/v1\/api-keys/, errors: ["session_required", "role_missing"] },
  { routes: /^POST \/v1\/api-keys$/, errors: ["limit_reached"] },
  { routes: /^[A-Z]+ \/v1\/api-keys\/:id/, errors: ["api_key_not_found"] },
  { routes: /^[A-Z]+ \/v1\/teams/, errors: ["session_required"] },
  { routes: /^POST \/v1\/teams$/, errors: ["limit_reached"] },
  {
    routes: /^[A-Z]+ \/v1\/teams\/:id/,
    errors: ["other_team", "not_a_member", "team_not_found", "role_missing"],
  },
  {
    routes: /^(PATCH|DELETE|POST) \/v1\/teams\/:id(\/members\/:user|\/leave)/,
    errors: ["member_not_found", "owner_protected", "invalid_id"],
  },
  {
    routes: /^POST \/v1\/teams\/:id\/(members|invitations)$/,
    errors: ["limit_reached", "invitations_of_address_full"],
  },
  { routes: /^DELETE \/v1\/teams\/:id$/, errors: ["platform_team_protected", ...HOST] },
  { routes: /invitations\/:/, errors: ["invitation_not_found", "session_required"] },
  { routes: /^GET \/v1\/invitations$/, errors: ["session_required"] },
  { routes: /^POST \/v1\/invitations/, errors: ["limit_reached"] },
  // Channels and hosts
  { routes: /\/v1\/channels\/:id/, errors: ["channel_not_found"] },
  {
    routes: /^(POST|PATCH|PUT) \/v1\/channels/,
    errors: ["channel_name_taken", "quota_exceeded", "target_refused"],
  },
  { routes: /^POST \/v1\/channels\/test$/, errors: ["delivery_failed"] },
  { routes: /\/v1\/hosts\b/, errors: ["host_not_found"] },
  {
    routes: /^[A-Z]+ \/v1\/hosts(\/:id.*)?$/,
    errors: ["session_required", "role_missing", "admin_required"],
  },
  { routes: /^POST \/v1\/hosts$/, errors: ["byoc_disabled", "invalid_id", "team_not_found", "other_team"] },
  { routes: /^POST \/v1\/hosts\/:id\/(token|rotate|drain)$/, errors: ["host_registered", "host_is_local"] },
  {
    routes: /^DELETE \/v1\/hosts\/:id$/,
    errors: ["host_has_capsules", "host_has_templates", "host_is_local"],
  },
  {
    routes: /^POST \/v1\/hosts\/register$/,
    errors: [
      "host_token_invalid",
      "host_joined_as_other",
      "host_address_refused",
      "certificate_request_invalid",
      "enrolment_off",
      "host_registered",
      "invalid_id",
    ],
  },
  {
    routes: /^POST \/v1\/hosts\/auth\/refresh$/,
    errors: ["host_token_invalid", "certificate_request_invalid", "enrolment_off"],
  },
  { routes: /^POST \/v1\/hosts\/:id\/heartbeat$/, errors: ["host_token_invalid", "host_mismatch"] },
  // Lists and events
  {
    routes: /^GET \/v1(\/admin)?\/events/,
    errors: ["events_gone", "limit_reached", "capsule_not_found", "capsule_name_unknown", "invalid_id"],
  },
  { routes: /^GET \/v1(\/admin)?\/audit-logs$/, errors: ["invalid_id"] },
  { routes: /\/capsules\/:id\/logs$/, errors: ["limit_reached", "host_outdated", ...HOST] },
  { routes: /\/metrics\/stream$/, errors: ["limit_reached"] },
  // Capsules
  {
    routes: /^(POST|PATCH) .*\/capsules(\/:id)?$/,
    errors: [
      "capsule_name_taken",
      "capsule_name_reserved",
      "metadata_too_large",
      "metadata_reserved",
      "scope_missing",
    ],
  },
  { routes: /^GET .*\/capsules$/, errors: ["filter_empty"] },
  {
    routes: /^POST .*\/capsules$/,
    errors: [
      "disk_too_small",
      "disk_not_growable",
      "host_outdated",
      "template_being_built",
      "template_build_failed",
      "template_copy_failed",
      "template_copy_invalid",
      "template_hosts_unreachable",
      "template_not_built",
      "template_tag_not_found",
    ],
  },
  {
    routes: /^PATCH .*\/capsules\/:id$/,
    errors: ["nothing_to_change", "capsule_ended", "capsule_not_running"],
  },
  { routes: /^POST .*\/extend$/, errors: ["capsule_ended", "lifetime_unlimited"] },
  {
    routes: /^POST \/v1(\/admin)?\/capsules$/,
    errors: [
      "template_not_found",
      "quota_exceeded",
      "idempotency_conflict",
      "capsule_not_found",
      "client_left",
      ...HOST,
      ...START,
    ],
  },
  {
    routes: /^(DELETE|PATCH) \/v1(\/admin)?\/capsules\/:id$/,
    errors: ["capsule_busy", ...HOST],
  },
  {
    routes: /\/capsules\/:id\/(pause|ping|fork|checkpoints|snapshot|network|extend)\b/,
    errors: ["capsule_not_running", "capsule_busy", ...HOST],
  },
  {
    routes: /\/capsules\/:id\/resume$/,
    errors: ["capsule_not_paused", "capsule_busy", "quota_exceeded", ...HOST, ...START],
  },
  { routes: /\/capsules\/:id\/(fork|checkpoints)$/, errors: ["quota_exceeded", "too_many_layers", ...START] },
  { routes: /\/capsules\/:id\/fork$/, errors: ["client_left"] },
  {
    routes: /\/checkpoints\/:checkpoint/,
    errors: ["checkpoint_not_found", "checkpoint_in_use", "quota_exceeded", ...START],
  },
  { routes: /\/capsules\/:id\/metrics/, errors: ["metrics_unavailable", "host_outdated", ...HOST] },
  // Templates
  {
    routes: /^POST (\/v1\/snapshots|.*\/snapshot)$/,
    errors: [
      "capsule_not_found",
      "capsule_name_unknown",
      "snapshot_state",
      "template_name_taken",
      "template_name_reserved",
      "template_protected",
      "template_in_use",
      "capsule_busy",
      "quota_exceeded",
      "invalid_id",
      "client_left",
      ...HOST,
    ],
  },
  {
    routes: /^[A-Z]+ \/v1(\/admin)?\/(snapshots|templates)\/:name/,
    errors: [
      "template_not_found",
      "template_protected",
      "template_in_use",
      "template_tag_not_found",
      "template_version_not_found",
      "quota_exceeded",
      ...HOST,
    ],
  },
  // Inside of capsules
  { routes: /\/capsules\/:id\/(exec|processes|files)\b/, errors: RUNNING },
  {
    routes: /\/capsules\/:id\/(exec|pty)\b/,
    errors: [
      "cwd_not_found",
      "user_not_found",
      "tag_in_use",
      "tag_used",
      "host_outdated",
      "argument_list_too_long",
      "process_limit_in_capsule",
      "memory_full_in_capsule",
      "path_not_found",
      "permission_denied",
      "not_a_directory",
      "client_left",
    ],
  },
  { routes: /\/processes\/:selector/, errors: ["process_not_found"] },
  {
    routes: /\/processes\/:selector\/input$/,
    errors: ["stdin_closed", "input_not_read", "input_offset_differs"],
  },
  { routes: /\/files\b/, errors: PATHS },
  { routes: /\/files\/list$/, errors: ["too_many_entries", "invalid_field"] },
  { routes: /\/files\/(.*write|content|mkdir|remove|move|copy|chmod|uploads.*)$/, errors: WRITES },
  {
    routes: /\/files\/(.*write)$/,
    errors: [
      "multipart_expected",
      "multipart_invalid",
      "form_field_missing",
      "body_too_large",
      "body_stalled",
      "unsupported_content_encoding",
    ],
  },
  {
    routes: /\/files\/(.*write|uploads.*)$|^PUT .*\/files\/content$/,
    errors: ["precondition_failed", "conditions_unsupported"],
  },
  { routes: /^(GET|HEAD) .*\/files\/content$/, errors: ["precondition_failed", "range_not_satisfiable"] },
  {
    routes: /^(PUT .*\/files\/content|PATCH .*\/:upload)$/,
    errors: ["content_digest_mismatch", "body_stalled", "unsupported_content_encoding"],
  },
  { routes: /\/files\/uploads/, errors: ["uploads_unsupported"] },
  { routes: /^POST .*\/files\/uploads$/, errors: ["too_many_uploads"] },
  { routes: /\/files\/uploads\/:upload$/, errors: ["upload_not_found", "upload_in_use"] },
  {
    routes: /^PATCH .*\/:upload$/,
    errors: ["upload_offset_differs", "upload_too_long", "unsupported_media_type"],
  },
  // Builds
  { routes: /\/builds\/:id/, errors: ["build_not_found"] },
  { routes: /\/builds\/:id\/cancel$/, errors: ["build_ended"] },
  {
    routes: /^POST .*\/builds(\/import)?$/,
    errors: [
      "archive_too_large",
      "archive_too_slow",
      "body_too_large",
      "form_field_missing",
      "multipart_expected",
      "multipart_invalid",
      "quota_exceeded",
      "template_name_reserved",
      "template_protected",
    ],
  },
  {
    routes: /^POST .*\/builds$/,
    errors: ["recipe_invalid", "image_reference_invalid", "template_not_found", "template_tag_not_found"],
  },
  { routes: /\/builds\/import$/, errors: ["disk_full", "no_hosts", ...HOST] },
  // Ports
  { routes: /\/ports\/listening$/, errors: ["host_outdated", ...HOST] },
  { routes: /\/ports\/:port/, errors: ["port_invalid", "port_reserved", "capsule_not_running"] },
  { routes: /^PUT .*\/ports\/:port$/, errors: ["public_ports_forbidden"] },
  {
    routes: /\/ports\/:port\/link/,
    errors: ["limit_reached", "quota_exceeded", "session_required", "token_invalid"],
  },
  { routes: /\/links\/:link$/, errors: ["port_link_not_found"] },
  { routes: /^GET \/v1\/ports\/sign-in$/, errors: ["capsule_not_found", "port_invalid", "invalid_id"] },
  // Administration
  {
    routes: /\/admin\/users\/:id/,
    errors: ["account_not_found", "last_admin_protected", "own_account", "user_not_active", ...HOST],
  },
  { routes: /\/admin\/teams\/:id/, errors: ["team_not_found", "platform_team_protected", ...HOST] },
];
