import { OAUTH_PATHS } from "@wrenn/control-plane";

const paths = new Set<string | undefined>(Object.values(OAUTH_PATHS));
/** Refusals that have an error of their own in RFC 6749 §5.2, with their status. */
const known: Readonly<Partial<Record<string, readonly [status: number, error: string]>>> = {
  refresh_token_invalid: [400, "invalid_grant"],
  oauth_client_unknown: [401, "invalid_client"],
  oauth_grant_unsupported: [400, "unsupported_grant_type"],
  invalid_field: [400, "invalid_request"],
};

/** Whether a route answers as OAuth says. */
export function isOauthRoute(url: string | undefined): boolean {
  return paths.has(url);
}

/** A refusal as OAuth clients read it. */
export function oauthError(
  ownStatus: number,
  { reason, message }: { readonly reason: string; readonly message: string },
): { readonly status: number; readonly body: object } {
  const [status, error] = known[reason] ?? [ownStatus, errorOfStatus(ownStatus)];
  return { status, body: { error, error_description: message } };
}

function errorOfStatus(status: number): string {
  if (status === 429 || status === 503) return "temporarily_unavailable";
  return status < 500 ? "invalid_request" : "server_error";
}
