import type { ErrorReason } from "@wrenn/core";
import { errorRules } from "./error-rules.ts";

/** How the caller of a route is authenticated. */
export type RouteAccess = "public" | "key" | "person" | "host";

/** A route as the server registers it: `/v1/capsules/:id`. */
export interface RouteName {
  readonly method: string;
  readonly url: string;
}

const BODIES = /^(POST|PUT|PATCH|DELETE) /;
/** Routes whose bodies are files and are not parsed. */
const RAW = /^(PUT .*\/files\/content|PATCH .*\/uploads\/:upload|POST .*\/files\/(stream\/)?write)$/;

/** What any route may answer, whatever it is for. */
export const commonErrors: readonly ErrorReason[] = [
  "request_refused",
  "url_invalid",
  "invalid_field",
  "rate_limited",
  "server_closing",
  "internal",
];
/** What any route that needs credentials may answer. */
export const credentialErrors: readonly ErrorReason[] = [
  "credentials_missing",
  "api_key_invalid",
  "token_invalid",
  "account_deactivated",
  "scope_missing",
  "connections_full",
  "too_much_under_way",
  "guest_busy",
];
/** What routes for people only may answer in addition. */
export const personErrors: readonly ErrorReason[] = ["session_required", "admin_required"];
/** What any route that takes a body may answer. */
export const bodyErrors: readonly ErrorReason[] = [
  "invalid_json",
  "body_too_large",
  "unsupported_media_type",
  "unsupported_content_encoding",
  "body_stalled",
  "bodies_full",
];

/**
 * Every error that a route may answer: those of its group, and those of the rules that fit. The description of the API, its reference
 * and the tests of answers read them here.
 */
export function errorsOf({ method, url }: RouteName, access: RouteAccess): readonly ErrorReason[] {
  const name = `${method} ${url}`;
  const takesBody = BODIES.test(name) && !RAW.test(name);
  const errors: ErrorReason[] = [
    ...commonErrors,
    ...(access === "key" || access === "person" ? credentialErrors : []),
    ...(access === "person" ? personErrors : []),
    ...(access === "public" && BODIES.test(name) ? (["foreign_page"] as const) : []),
    ...(takesBody ? bodyErrors : []),
    ...errorRules.filter(({ routes }) => routes.test(name)).flatMap(({ errors: more }) => more),
  ];
  return [...new Set(errors)];
}
