const CAPSULE = "/v1/capsules/:id";
const OF_PLATFORM = "/v1/admin/capsules/:id";

/** Routes of one capsule that the contract has for teams and for the platform. */
const ofAnyCapsule = [
  "GET ",
  "DELETE ",
  "GET /metrics",
  "POST /exec",
  "GET /processes",
  "DELETE /processes/:selector",
  "POST /files/write",
  "POST /files/read",
  "POST /files/list",
  "POST /files/mkdir",
  "POST /files/remove",
];

/**
 * The routes of the contract that this API keeps (docs/reference/rest-api.md#unknown-fields): clients written for it may send fields
 * that are not known here. Every other route is our own.
 */
const contractRoutes: ReadonlySet<string> = new Set([
  "GET /health",
  "GET /openapi.yaml",
  "POST /v1/auth/signup",
  "POST /v1/auth/activate",
  "POST /v1/auth/login",
  "POST /v1/auth/switch-team",
  // Providers add parameters of their choice to the address of the callback.
  "GET /auth/oauth/:provider",
  "GET /auth/oauth/:provider/callback",
  "GET /v1/auth/oauth/:provider",
  "GET /v1/auth/oauth/:provider/callback",
  "GET /auth/:provider/callback",
  "POST /v1/me/password/reset",
  "POST /v1/me/password/reset/confirm",
  "GET /v1/me",
  "PATCH /v1/me",
  "POST /v1/me/password",
  "GET /v1/me/providers/:provider/connect",
  "DELETE /v1/me/providers/:provider",
  "DELETE /v1/me",
  "GET /v1/users/search",
  "POST /v1/api-keys",
  "GET /v1/api-keys",
  "DELETE /v1/api-keys/:id",
  "GET /v1/teams",
  "POST /v1/teams",
  "GET /v1/teams/:id",
  "PATCH /v1/teams/:id",
  "DELETE /v1/teams/:id",
  "GET /v1/teams/:id/members",
  "POST /v1/teams/:id/members",
  "PATCH /v1/teams/:id/members/:user",
  "DELETE /v1/teams/:id/members/:user",
  "POST /v1/teams/:id/leave",
  "POST /v1/capsules",
  "GET /v1/capsules",
  "GET /v1/capsules/stats",
  "GET /v1/capsules/usage",
  `POST ${CAPSULE}/pause`,
  `POST ${CAPSULE}/resume`,
  `POST ${CAPSULE}/ping`,
  `POST ${CAPSULE}/files/stream/write`,
  `POST ${CAPSULE}/files/stream/read`,
  "POST /v1/snapshots",
  "GET /v1/snapshots",
  "DELETE /v1/snapshots/:name",
  "GET /v1/channels",
  "POST /v1/channels",
  "GET /v1/channels/:id",
  "PATCH /v1/channels/:id",
  "DELETE /v1/channels/:id",
  "PUT /v1/channels/:id/config",
  "POST /v1/channels/test",
  "POST /v1/hosts",
  "GET /v1/hosts",
  "GET /v1/hosts/:id",
  "GET /v1/hosts/:id/delete-preview",
  "DELETE /v1/hosts/:id",
  "POST /v1/hosts/:id/token",
  "GET /v1/hosts/:id/tags",
  "POST /v1/hosts/:id/tags",
  "DELETE /v1/hosts/:id/tags/:tag",
  "POST /v1/hosts/register",
  "POST /v1/hosts/auth/refresh",
  "POST /v1/hosts/:id/heartbeat",
  "GET /v1/audit-logs",
  "GET /v1/admin/users",
  "PUT /v1/admin/users/:id/active",
  "PUT /v1/admin/users/:id/admin",
  "GET /v1/admin/teams",
  "PUT /v1/admin/teams/:id/byoc",
  "DELETE /v1/admin/teams/:id",
  "GET /v1/admin/audit-logs",
  "GET /v1/admin/templates",
  "DELETE /v1/admin/templates/:name",
  "POST /v1/admin/builds",
  "GET /v1/admin/builds",
  "GET /v1/admin/builds/:id",
  "POST /v1/admin/builds/:id/cancel",
  "POST /v1/admin/capsules",
  "GET /v1/admin/capsules",
  `POST ${OF_PLATFORM}/snapshot`,
  ...[CAPSULE, OF_PLATFORM].flatMap((base) => ofAnyCapsule.map((route) => route.replace(" ", ` ${base}`))),
]);

/** WebSocket routes of the contract, below the path of a capsule. */
const contractSockets: ReadonlySet<string> = new Set(["exec/stream", "processes/:selector/stream", "pty"]);

/** Whether the contract has a route; HEAD is answered as GET is. */
export function isContractRoute(method: string, url: string): boolean {
  return contractRoutes.has(`${method === "HEAD" ? "GET" : method} ${url}`);
}

/** Whether the contract has a WebSocket route, by its path below a capsule. */
export function isContractSocket(path: string): boolean {
  return contractSockets.has(path);
}
