import { system, user } from "./catalogue-entry.ts";

/** The part of the error catalogue about signing in by accounts of other services. */
export const signInErrors = {
  provider_not_found: user(
    "provider_not_found",
    404,
    "no sign-in provider named {provider}",
    "List them with GET /v1/auth/providers; whoever runs the server sets them up.",
  ),
  provider_not_connected: user(
    "not_found",
    404,
    "provider not connected",
    "List yours with GET /v1/me/providers.",
  ),
  last_login_method: user(
    "last_login_method",
    400,
    "this is the only way to log in to your account",
    "Set a password with POST /v1/me/password, or connect another provider first.",
  ),
  provider_failed: system(
    "internal_error",
    502,
    "signing in by {provider} does not work: {problem}",
    "Try again; if it stays so, whoever runs the server checks its settings of this provider.",
  ),
  device_pending: user(
    "authorization_pending",
    400,
    "the login is not approved yet",
    "Ask again after the interval that POST /v1/auth/device answered.",
  ),
  device_slow_down: user(
    "slow_down",
    400,
    "asked too early; ask every {retry_after} s from now on",
    "Wait as long as the Retry-After header says, each time.",
  ),
  device_code_expired: user(
    "expired_token",
    400,
    "the code of this login has expired",
    "Begin again with POST /v1/auth/device.",
  ),
  device_denied: user(
    "access_denied",
    400,
    "the login was denied, or the person who approved it has logged out",
    "Begin again with POST /v1/auth/device if this was a mistake.",
  ),
  device_code_invalid: user(
    "invalid_grant",
    400,
    "no login waits for this device code",
    "A code works once; begin again with POST /v1/auth/device.",
  ),
  oauth_client_unknown: user(
    "unauthorized",
    401,
    "this client is not registered here",
    "Log in again: the program gets its client id with its login.",
  ),
  oauth_grant_unsupported: user(
    "invalid_request",
    400,
    "this endpoint takes the grant type refresh_token",
    "Send grant_type=refresh_token; a person approves a new login in a browser.",
  ),
  user_code_not_found: user(
    "not_found",
    404,
    "no login waits for this code",
    "Compare it with the code that the device shows; it works for 10 minutes.",
  ),
  device_login_decided: user(
    "conflict",
    409,
    "this login was approved or denied already",
    "Begin a new one on the device.",
  ),
};
