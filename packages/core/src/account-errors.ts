import { system, user } from "./catalogue-entry.ts";

/** The part of the error catalogue about people, teams and what they may do. */
export const accountErrors = {
  token_invalid: user(
    "unauthorized",
    401,
    "invalid or expired token",
    "Renew it with POST /v1/auth/refresh, or log in again.",
  ),
  session_required: user(
    "unauthorized",
    401,
    "Authorization: Bearer <token> required",
    "Log in; this route acts for a person, and an API key is none.",
  ),
  login_failed: user(
    "unauthorized",
    401,
    "invalid email or password",
    "Check both, or reset the password with POST /v1/me/password/reset.",
  ),
  refresh_token_invalid: user("unauthorized", 401, "invalid or expired session", "Log in again."),
  wrong_password: user("wrong_password", 401, "current password is wrong", "Send your present password."),
  one_time_token_invalid: user(
    "invalid_token",
    400,
    "the link is invalid or has expired",
    "Ask for a new one; only the newest link works, and only once.",
  ),
  already_activated: user(
    "already_activated",
    400,
    "the account is already active",
    "Log in with its password.",
  ),
  account_not_activated: user(
    "account_not_activated",
    403,
    "the account is not activated yet",
    "Open the link in the activation mail, or sign up again for a new one.",
  ),
  account_disabled: user(
    "account_disabled",
    403,
    "the account is disabled",
    "Ask the administrator of this platform.",
  ),
  account_deactivated: user(
    "account_deactivated",
    403,
    "the account is not active",
    "Ask the administrator of this platform.",
  ),
  email_taken: user(
    "email_taken",
    409,
    "an account with this email address exists",
    "Log in, or use another address.",
  ),
  rate_limited: user(
    "rate_limited",
    429,
    "too many requests; try again in {retry_after} s",
    "Wait as long as the Retry-After header says.",
  ),
  scope_missing: user(
    "forbidden",
    403,
    "the API key lacks the scope {scope}",
    "Create a key with this scope, or log in.",
  ),
  role_missing: user("forbidden", 403, "this needs the role {role}", "Ask an owner or admin of the team."),
  limit_reached: user(
    "conflict",
    409,
    "this team has {limit} {things} already, and may not have more",
    "Remove one that is not used.",
  ),
  api_key_not_found: user("not_found", 404, "API key not found", "List keys with GET /v1/api-keys."),
  invitation_not_found: user(
    "not_found",
    404,
    "no such invitation",
    "It may be over, or withdrawn; ask for another one.",
  ),
  member_not_found: user(
    "not_found",
    404,
    "no such member",
    "List the members with GET /v1/teams/{id}/members.",
  ),
  owner_protected: user(
    "forbidden",
    403,
    "the owner of a team cannot be changed, removed or leave",
    "Delete the team instead.",
  ),
  other_team: user(
    "forbidden",
    403,
    "the token acts in another team; switch to this team first",
    "Switch with POST /v1/auth/switch-team.",
  ),
  not_ready: system(
    "host_unavailable",
    503,
    "the {part} does not answer",
    "Wait a moment; if it stays so, see the server's log and run ./wrenn doctor.",
  ),
  team_not_found: user("not_found", 404, "team not found", "List your teams with GET /v1/teams."),
  not_a_member: user(
    "forbidden",
    403,
    "not a member of this team",
    "Ask an owner or admin of the team for an invitation.",
  ),
};
