import { user } from "./catalogue-entry.ts";

const COVERAGE = "See docs/reference/e2b-coverage.md for what the API of E2B offers here.";

/** The part of the error catalogue that clients of E2B meet. */
export const e2bErrors = {
  e2b_not_offered: user("invalid_request", 400, "{feature} is not offered by this server", COVERAGE),
  e2b_route_unknown: user(
    "not_found",
    404,
    "this server has no route {method} {path}, which {client} has called",
    COVERAGE,
  ),
  sandbox_not_found: user(
    "agent_error",
    502,
    // Clients compare it literally.
    "The sandbox was not found",
    "It has never existed, has ended, or is paused: connect to a paused sandbox to resume it.",
  ),
  traffic_token_missing: user(
    "forbidden",
    403,
    "port {port} of sandbox {sandbox} is private",
    "Send its traffic access token in the header e2b-traffic-access-token.",
  ),
  sandbox_in_transition: user(
    "conflict",
    409,
    "sandbox {sandbox} is being paused or copied, and takes no requests until that is done",
    "Try again in a moment.",
    2,
  ),
  registry_login_refused: user(
    "invalid_request",
    400,
    "{registry} refuses the credentials: {problem}",
    "Check the key, its secret and the region, and that the key may call ecr:GetAuthorizationToken.",
  ),
  sandbox_paused_already: user(
    "conflict",
    409,
    "sandbox {sandbox} is paused, or is being paused",
    "Connect to it to resume it.",
  ),
  sandbox_runs_already: user("conflict", 409, "sandbox {sandbox} is running", "Use it as it is."),
} as const;
