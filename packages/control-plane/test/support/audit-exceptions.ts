/** Requests that change something and leave no entry, and why. docs/reference/control-plane.md#audit-log has the same list. */
export const exceptions: Readonly<Record<string, string>> = {
  "POST /v1/hosts/register": "the token that it uses up is recorded",
  "POST /v1/capsules/:id/ping": "counts as activity only",
  "PATCH /v1/capsules/:id/files/uploads/:upload": "the start of the upload is recorded",
  "POST /v1/capsules/:id/files/list": "reads",
  "POST /v1/capsules/:id/files/stat": "reads",
  "POST /v1/capsules/:id/files/exists": "reads",
  "POST /v1/capsules/:id/files/read": "reads",
  "POST /v1/capsules/:id/files/stream/read": "reads",
  "POST /v1/admin/capsules/:id/files/list": "reads",
  "POST /v1/admin/capsules/:id/files/stat": "reads",
  "POST /v1/admin/capsules/:id/files/exists": "reads",
  "POST /v1/admin/capsules/:id/files/read": "reads",
  "POST /v1/admin/capsules/:id/files/stream/read": "reads",
  "POST /v1/auth/refresh": "renews a login that is recorded",
  "POST /v1/auth/device": "the decision of a person is recorded",
  "POST /v1/auth/device/lookup": "reads",
  "POST /v1/auth/bootstrap/renew": "the administrator that the token creates is recorded",
  "POST /v1/auth/browser-links": "the login that it opens is recorded",
  "POST /v1/auth/browser-links/follow": "the login that is confirmed is recorded",
  "POST /v1/auth/switch-team": "what is done in the other team is recorded there",
  "POST /v1/hosts/:id/heartbeat": "a sign of life; a host that goes and comes is recorded",
  "POST /v1/hosts/auth/refresh": "renews credentials of a host that is recorded",
};

/** Shown by tests that have what the request needs. */
export const elsewhere: Readonly<Record<string, string>> = {
  "DELETE /v1/me/providers/:provider": "connections.test.ts: provider_disconnect",
  "POST /v1/builds": "builds.test.ts: create",
  "POST /v1/builds/import": "image-archives.test.ts: create",
  "POST /v1/admin/builds": "admin-builds.test.ts: create",
  "POST /v1/admin/builds/:id/cancel": "admin-builds.test.ts: cancel",
  "POST /v1/auth/token": "device-logins.test.ts: login, api_key create",
  "POST /v1/auth/browser-links/confirm": "browser-links.test.ts: login",
  "DELETE /v1/me/sessions/:session": "sessions.test.ts: logout",
  "POST /v1/auth/device/approve": "device-logins.test.ts: device_approve",
  "POST /v1/auth/device/deny": "device-logins.test.ts: device_deny",
};
