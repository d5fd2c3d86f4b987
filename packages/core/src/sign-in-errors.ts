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
};
