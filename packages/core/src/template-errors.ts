import { system, user } from "./catalogue-entry.ts";

/** The part of the error catalogue about versions of templates and builds. */
export const templateErrors = {
  template_tag_not_found: user(
    "not_found",
    404,
    "template {template} has no version with the tag {tag}",
    "List its tags with GET /v1/templates/{template}, or set one with PUT /v1/templates/{template}/tags/{tag}.",
  ),
  package_index_unavailable: system(
    "internal_error",
    500,
    "Debian's list of packages cannot be fetched: {problem}",
    "Check the host's network, proxy and package sources with apt-get update, and run the command again. The image that is there stays in use.",
  ),
  npm_package_unavailable: system(
    "internal_error",
    500,
    "the npm package {package} cannot be fetched: {problem}",
    "Check the host's network and the registry of its npm with npm config get registry, and run the command again.",
  ),
  built_in_unknown: user(
    "invalid_request",
    400,
    "{template} is not a built-in template that can be built",
    "Name one of {names}, or all.",
  ),
  template_builds_already: user(
    "conflict",
    409,
    "another process builds built-in templates on this machine",
    "Wait until it is done, and run the command again.",
  ),
  template_not_built: user(
    "not_found",
    404,
    "the built-in template {template} is not built yet",
    "On the machine of the server, run ./wrenn template build --builtin {template}.",
  ),
  template_being_built: system(
    "host_unavailable",
    503,
    "the built-in template {template} is being built for its first use: {progress}",
    "Ask again until it is there. Building takes minutes, once.",
    2,
  ),
  template_build_failed: system(
    "host_unavailable",
    503,
    "the built-in template {template} could not be built: {problem}",
    "On the machine of the server, run ./wrenn template build --builtin {template}, which shows why. A create a minute later tries again.",
  ),
  template_refresh_runs: user(
    "conflict",
    409,
    "another process refreshes template {template} on this machine",
    "Wait until it is done, and run the command again.",
  ),
  template_version_not_found: user(
    "not_found",
    404,
    "template {template} has no version {version}",
    "List its versions with GET /v1/templates/{template}.",
  ),
  moment_not_found: user(
    "not_found",
    404,
    "the moment is not kept any longer",
    "Make it again: it was kept for as long as there was room.",
  ),
  build_not_found: user("not_found", 404, "build not found", "List builds with GET /v1/builds."),
  build_ended: user(
    "invalid_request",
    400,
    "the build is already {status}",
    "Only builds that are pending or running can be cancelled.",
  ),
  recipe_invalid: user(
    "invalid_request",
    400,
    "invalid recipe: {problems}",
    "Fix each reported position. {advice} See docs/reference/builds.md.",
  ),
  archive_too_large: user(
    "invalid_request",
    413,
    "the archive is longer than {limit} bytes",
    "Leave out of the archive what the recipe does not copy.",
  ),
  archive_too_slow: user(
    "invalid_request",
    408,
    "the archive did not arrive within {minutes} minutes",
    "Send it over a faster connection, or leave out of it what is not needed.",
  ),
  build_failed: user(
    "build_error",
    500,
    "{phase} step {step} failed: {problem}",
    "See the output of the step in the logs of the build, and correct the recipe.",
  ),
  build_not_ready: user(
    "build_error",
    500,
    "the health check of the template did not succeed within {seconds} s: {problem}",
    "Run the command of the health check in a capsule of the base template, or give it more time with --start-period and --retries.",
  ),
  build_not_starting: user(
    "build_error",
    500,
    "a capsule of the new template does not start: {problem}",
    "See what the last steps of the recipe have changed: the default user, its home and its shell must exist.",
  ),
  build_too_long: user(
    "build_error",
    500,
    "the build did not end within {minutes} minutes",
    "Split the recipe: build a base template first, and the rest on top of it.",
  ),
  build_interrupted: system(
    "build_error",
    500,
    "the control plane that ran the build ended",
    "Start the build again.",
  ),
} as const;
