import { defined } from "@wrenn/core";
import { dashboardPaths } from "../../src/dashboard/dashboard-paths.ts";
import { furniture } from "./furnished-host-agent.ts";
import type { ServedRoute } from "./route-list.ts";
import { PASSWORD } from "./furnished-teams.ts";
import type { FurnishedTeam, Ids, Kind, Made } from "./furnished-teams.ts";

/**
 * Who gets an answer: everybody; keys of a scope, and people; people; people of a role; a host; administrators of the platform. Hosts of machines are an
 * administrator's of the platform, whosever they are.
 */
export type Access =
  | "open"
  | "read"
  | "run"
  | "manage"
  | "ports"
  | "egress"
  | "person"
  | "admin"
  | "owner"
  | "host"
  | "platform";

export interface Expectation {
  readonly access: Access;
  /** Status for who may, about a thing of their team. */
  readonly ok: number;
  /** Status about a thing of others, or none. */
  readonly absent: number;
  /** The same for the second thing that the path names. */
  readonly nested: number;
  /** Status for ids that are none. */
  readonly malformed: number;
  readonly body?: (ids: Ids, fresh: string) => unknown;
  /** The body as it is, for routes that take no JSON. */
  readonly raw?: { readonly type: string; readonly bytes: string };
  readonly query?: (theirs: FurnishedTeam) => string;
  /** Those that the route itself asks for. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Things that the body names. */
  readonly named: readonly Kind[];
  /** What is used up by a request that was granted; "team" is everything. */
  readonly spends?: Made | "team";
  /** Other statuses of some who may. */
  readonly but: Readonly<Record<string, number>>;
  /** Administrators of the platform reach those of every team. */
  readonly platform: boolean;
}

type Row = Partial<Omit<Expectation, "access" | "ok">>;

function row(access: Access, ok: number, rest: Row = {}): Expectation {
  return {
    absent: 404,
    nested: 404,
    malformed: 400,
    named: [],
    but: {},
    platform: false,
    access,
    ok,
    ...rest,
  };
}

const platform = (ok: number, rest: Row = {}): Expectation =>
  row("platform", ok, { platform: true, ...rest });
const email = (fresh: string): string => `fresh-${fresh}@example.org`;
const config = { url: "https://nowhere.example.org/" };
const token = "0".repeat(64);
const path = { path: furniture.file };
const query = (): string => `?path=${encodeURIComponent(furniture.file)}`;
const two = { source: furniture.file, destination: "/root/other" };
const csr = { csr_pem: "request" };
const size = { cpu_cores: 1, memory_mb: 1, disk_gb: 1 };
const boundary = "between";
const form = {
  type: `multipart/form-data; boundary=${boundary}`,
  bytes: [
    `--${boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n${furniture.file}\r\n`,
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="notes"\r\n\r\nbytes\r\n`,
    `--${boundary}--\r\n`,
  ].join(""),
};
/** Teams are no secret to who has their ids, and a route of one that a token does not act in says so. */
const ofTeam = { absent: 403 };

/** Capsules and what is in them. */
const ofCapsules: Readonly<Record<string, Expectation>> = {
  "GET /v1/capsules": row("read", 200),
  "POST /v1/capsules": row("run", 201, {
    body: ({ template }) => ({ template }),
    named: ["template"],
  }),
  "GET /v1/capsules/:id": row("read", 200),
  "DELETE /v1/capsules/:id": row("run", 204, { spends: "capsule" }),
  "PATCH /v1/capsules/:id": row("run", 200, { body: () => ({ auto_resume: true }) }),
  "POST /v1/capsules/:id/extend": row("run", 200, { body: () => ({ from_now_sec: 3600 }) }),
  "POST /v1/capsules/:id/pause": row("run", 200, { spends: "capsule" }),
  "POST /v1/capsules/:id/resume": row("run", 409),
  "POST /v1/capsules/:id/ping": row("run", 204),
  "GET /v1/capsules/:id/metrics": row("read", 200),
  "GET /v1/capsules/:id/metrics/stream": row("read", 200),
  "GET /v1/capsules/:id/logs": row("read", 200),
  "POST /v1/capsules/:id/fork": row("run", 201, { body: () => ({ count: 1 }), spends: "capsule" }),
  "POST /v1/capsules/:id/checkpoints": row("run", 201, { body: () => ({}) }),
  "GET /v1/capsules/:id/checkpoints": row("read", 200),
  "POST /v1/capsules/:id/checkpoints/:checkpoint/restore": row("run", 200),
  "DELETE /v1/capsules/:id/checkpoints/:checkpoint": row("run", 204),
  "GET /v1/capsules/:id/network": row("read", 200),
  "PUT /v1/capsules/:id/network": row("egress", 200, { body: () => ({ egress: "deny" }) }),
  "GET /v1/capsules/:id/network/decisions": row("read", 200),
  "GET /v1/capsules/:id/ports": row("read", 200),
  "GET /v1/capsules/:id/ports/listening": row("read", 200),
  "PUT /v1/capsules/:id/ports/:port": row("ports", 200, { nested: 200, body: () => ({ access: "private" }) }),
  "POST /v1/capsules/:id/ports/:port/link": row("ports", 201, { nested: 201, body: () => ({}) }),
  "GET /v1/capsules/:id/ports/links": row("read", 200),
  "DELETE /v1/capsules/:id/ports/:port/links/:link": row("ports", 204, { spends: "link" }),
  // Processes
  "POST /v1/capsules/:id/exec": row("run", 200, { body: () => ({ cmd: "true" }) }),
  "GET /v1/capsules/:id/processes": row("read", 200),
  "GET /v1/capsules/:id/processes/:selector": row("read", 200),
  "DELETE /v1/capsules/:id/processes/:selector": row("run", 204),
  "GET /v1/capsules/:id/processes/:selector/logs": row("read", 200),
  "GET /v1/capsules/:id/processes/:selector/output": row("read", 200),
  "POST /v1/capsules/:id/processes/:selector/input": row("run", 204, { body: () => ({ data: "x" }) }),
  "POST /v1/capsules/:id/processes/:selector/signal": row("run", 204, { body: () => ({ signal: "SIGINT" }) }),
  // Files
  "POST /v1/capsules/:id/files/list": row("read", 200, { body: () => path }),
  "POST /v1/capsules/:id/files/stat": row("read", 200, { body: () => path }),
  "POST /v1/capsules/:id/files/exists": row("read", 200, { body: () => path }),
  "POST /v1/capsules/:id/files/read": row("read", 200, { body: () => path }),
  "POST /v1/capsules/:id/files/stream/read": row("read", 200, { body: () => path }),
  "POST /v1/capsules/:id/files/mkdir": row("run", 200, { body: () => path }),
  "POST /v1/capsules/:id/files/remove": row("run", 204, { body: () => path }),
  "POST /v1/capsules/:id/files/move": row("run", 200, { body: () => two }),
  "POST /v1/capsules/:id/files/copy": row("run", 200, { body: () => two }),
  "POST /v1/capsules/:id/files/chmod": row("run", 200, { body: () => ({ ...path, mode: "0600" }) }),
  "GET /v1/capsules/:id/files/content": row("read", 200, { query }),
  "PUT /v1/capsules/:id/files/content": row("run", 200, {
    query,
    raw: { type: "application/octet-stream", bytes: "bytes" },
  }),
  "GET /v1/capsules/:id/files/archive": row("read", 200, { query }),
  "POST /v1/capsules/:id/files/uploads": row("run", 201, { body: () => ({ ...path, size: 10 }) }),
  "GET /v1/capsules/:id/files/uploads/:upload": row("read", 200),
  "PATCH /v1/capsules/:id/files/uploads/:upload": row("run", 204, {
    headers: { "upload-offset": "4" },
    raw: { type: "application/offset+octet-stream", bytes: "bytes" },
  }),
  "DELETE /v1/capsules/:id/files/uploads/:upload": row("run", 204),
  "POST /v1/capsules/:id/files/write": row("run", 204, { raw: form }),
  "POST /v1/capsules/:id/files/stream/write": row("run", 204, { raw: form }),
};

/** Routes of capsules that there are for those of the platform too: of a team's capsule they know nothing. */
function ofPlatformCapsules(): Readonly<Record<string, Expectation>> {
  const taken =
    /^\w+ \/v1\/capsules\/:id($|\/(exec|extend|metrics)$|\/processes|\/files\/(list|stat|exists|read|stream|mkdir|remove|move|copy|chmod|write))/;
  return Object.fromEntries(
    Object.entries(ofCapsules)
      .filter(([name]) => taken.test(name))
      .map(([name, { body, raw, query: search }]) => [
        name.replace("/v1/", "/v1/admin/"),
        platform(404, {
          ...defined({ body }),
          ...(raw ? { raw } : {}),
          ...(search ? { query: search } : {}),
        }),
      ]),
  );
}

/** What every route answers; a route that is not here fails the test. HEAD is as GET. */
export const expectations: Readonly<Record<string, Expectation>> = {
  // The server itself
  "GET /health": row("open", 200),
  "GET /v1/info": row("open", 200),
  "GET /ready": row("open", 200),
  "GET /metrics": row("open", 200),
  "GET /openapi.json": row("open", 200),
  "GET /openapi.yaml": row("open", 200),
  "GET /docs": row("open", 200),
  "GET /docs/json": row("open", 200),
  "GET /docs/yaml": row("open", 200),
  "GET /docs/static/index.html": row("open", 302),
  "GET /docs/static/swagger-initializer.js": row("open", 200),
  "GET /docs/static/*": row("open", 404),
  // No dashboard is built in this platform
  ...Object.fromEntries(dashboardPaths.map((path) => [`GET ${path}`, row("open", 404)])),
  "GET /_app/*": row("open", 404),
  "GET /favicon.svg": row("open", 404),
  "GET /download": row("open", 200),
  "GET /download/wrenn-cli.tgz": row("open", 404),
  "GET /download/wrenn-sdk.tgz": row("open", 404),
  // Accounts
  "POST /v1/auth/signup": row("open", 201, {
    body: (_, fresh) => ({ email: email(fresh), password: PASSWORD, name: "Fresh" }),
  }),
  "POST /v1/auth/bootstrap": row("open", 400, {
    body: (_, fresh) => ({ token, email: email(fresh), password: PASSWORD, name: "Fresh" }),
  }),
  "POST /v1/auth/bootstrap/renew": row("open", 400, { body: () => ({ token }) }),
  "POST /v1/auth/browser-links": row("person", 201),
  "POST /v1/auth/browser-links/follow": row("open", 400, { body: () => ({ token }) }),
  "POST /v1/auth/browser-links/confirm": row("open", 400, { body: () => ({ confirmation: token }) }),
  "POST /v1/auth/activate": row("open", 400, { body: () => ({ token }) }),
  "POST /v1/auth/login": row("open", 401, {
    body: (_, fresh) => ({ email: email(fresh), password: PASSWORD }),
  }),
  "POST /v1/auth/refresh": row("open", 401),
  "GET /device": row("open", 200),
  "POST /v1/auth/device": row("open", 200, { body: () => ({}) }),
  "POST /v1/auth/token": row("open", 401, {
    body: () => ({ grant_type: "refresh_token", refresh_token: token }),
  }),
  "POST /v1/auth/device/lookup": row("person", 404, { body: () => ({ user_code: "BCDF-GHJK" }) }),
  "POST /v1/auth/device/approve": row("person", 404, { body: () => ({ user_code: "BCDF-GHJK" }) }),
  "POST /v1/auth/device/deny": row("person", 404, { body: () => ({ user_code: "BCDF-GHJK" }) }),
  "GET /docs/api/cli": row("open", 400),
  "POST /v1/auth/program/approve": row("person", 200, { body: () => ({ next: "http://localhost:4711" }) }),
  "POST /v1/auth/program/deny": row("person", 200, { body: () => ({ next: "http://localhost:4711" }) }),
  "POST /v1/me/password/reset": row("open", 204, { body: (_, fresh) => ({ email: email(fresh) }) }),
  "POST /v1/me/password/reset/confirm": row("open", 400, { body: () => ({ token, new_password: PASSWORD }) }),
  "GET /v1/auth/providers": row("open", 200),
  "GET /v1/ports/sign-in": row("open", 400),
  "GET /auth/:provider/callback": row("open", 404),
  "GET /auth/oauth/:provider": row("open", 404),
  "GET /auth/oauth/:provider/callback": row("open", 404),
  "GET /v1/auth/oauth/:provider": row("open", 404),
  "GET /v1/auth/oauth/:provider/callback": row("open", 404),
  "POST /v1/auth/logout": row("person", 204, { spends: "team" }),
  "POST /v1/auth/switch-team": row("person", 200, {
    body: ({ team }) => ({ team_id: team }),
    named: ["team"],
    absent: 403,
  }),
  "GET /v1/me": row("person", 200),
  "PATCH /v1/me": row("person", 200, { body: () => ({ name: "Renamed" }) }),
  "DELETE /v1/me": row("person", 400, { body: () => ({ confirmation: "somebody else" }) }),
  "POST /v1/me/password": row("person", 204, {
    body: () => ({ current_password: PASSWORD, new_password: PASSWORD }),
  }),
  "GET /v1/me/providers": row("person", 200),
  "GET /v1/me/providers/:provider/connect": row("person", 404, { malformed: 404 }),
  "DELETE /v1/me/providers/:provider": row("person", 404, { malformed: 404 }),
  "GET /v1/me/sessions": row("person", 200),
  "DELETE /v1/me/sessions": row("person", 200),
  // One that nobody has: a login is its person's, not of a team.
  "DELETE /v1/me/sessions/:session": row("person", 404),
  "GET /v1/users/search": row("person", 200, {
    query: ({ people }) => `?email=${people.owner.email}`,
  }),
  "GET /v1/invitations": row("person", 200),
  "POST /v1/invitations/:id/accept": row("person", 204),
  "POST /v1/invitations/:id/decline": row("person", 204),
  // Teams
  "GET /v1/teams": row("person", 200),
  "POST /v1/teams": row("person", 201, { body: () => ({ name: "Another" }) }),
  "GET /v1/teams/:id": row("person", 200, ofTeam),
  "PATCH /v1/teams/:id": row("admin", 204, { ...ofTeam, body: () => ({ name: "Renamed" }) }),
  "DELETE /v1/teams/:id": row("owner", 204, { ...ofTeam, spends: "team" }),
  "GET /v1/teams/:id/members": row("person", 200, ofTeam),
  "POST /v1/teams/:id/members": row("admin", 202, {
    ...ofTeam,
    body: (_, fresh) => ({ email: email(fresh) }),
  }),
  "PATCH /v1/teams/:id/members/:user": row("admin", 204, { ...ofTeam, body: () => ({ role: "member" }) }),
  "DELETE /v1/teams/:id/members/:user": row("admin", 204, { ...ofTeam, spends: "user" }),
  "POST /v1/teams/:id/leave": row("person", 204, { ...ofTeam, spends: "team", but: { owner: 403 } }),
  "GET /v1/teams/:id/invitations": row("admin", 200, ofTeam),
  "POST /v1/teams/:id/invitations": row("admin", 204, {
    ...ofTeam,
    body: (_, fresh) => ({ email: email(fresh) }),
  }),
  "DELETE /v1/teams/:id/invitations/:invitation": row("admin", 204, { ...ofTeam, spends: "invitation" }),
  "GET /v1/audit-logs": row("person", 200),
  "GET /v1/api-keys": row("person", 200),
  "POST /v1/api-keys": row("person", 201, { body: () => ({ name: "another" }) }),
  "DELETE /v1/api-keys/:id": row("person", 204, { absent: 204, spends: "key", but: { member: 404 } }),
  // Channels
  "GET /v1/channels": row("person", 200),
  "POST /v1/channels": row("person", 201, {
    body: (_, fresh) => ({ name: `another-${fresh}`, provider: "webhook", config, events: ["host.up"] }),
  }),
  "GET /v1/channels/:id": row("person", 200),
  "PATCH /v1/channels/:id": row("person", 200, { body: () => ({ events: ["host.down"] }) }),
  "PUT /v1/channels/:id/config": row("person", 200, { body: () => ({ config }) }),
  "DELETE /v1/channels/:id": row("person", 204, { absent: 204, spends: "channel" }),
  "POST /v1/channels/test": row("person", 502, { body: () => ({ provider: "webhook", config }) }),
  // Hosts
  "GET /v1/hosts": row("person", 200, { platform: true }),
  "POST /v1/hosts": row("admin", 403, {
    platform: true,
    body: ({ team }) => ({ type: "byoc", team_id: team }),
    named: ["team"],
    absent: 403,
  }),
  "GET /v1/hosts/:id": row("person", 200, { platform: true }),
  "DELETE /v1/hosts/:id": row("admin", 204, { platform: true, spends: "host" }),
  "GET /v1/hosts/:id/delete-preview": row("admin", 200, { platform: true }),
  "POST /v1/hosts/:id/token": row("admin", 201, { platform: true }),
  "POST /v1/hosts/:id/rotate": row("admin", 201, { platform: true }),
  "POST /v1/hosts/:id/drain": row("admin", 200, { platform: true, body: () => ({ enabled: true }) }),
  "GET /v1/hosts/:id/tags": row("person", 200, { platform: true }),
  "POST /v1/hosts/:id/tags": row("admin", 204, { platform: true, body: () => ({ tag: "another" }) }),
  "DELETE /v1/hosts/:id/tags/:tag": row("admin", 204, { platform: true, nested: 204, spends: "host" }),
  "POST /v1/hosts/register": row("open", 401, {
    body: () => ({ token, address: "192.0.2.1:1", arch: "amd64", ...csr, ...size }),
  }),
  "POST /v1/hosts/auth/refresh": row("open", 401, { body: () => ({ refresh_token: token, ...csr }) }),
  "POST /v1/hosts/:id/heartbeat": row("host", 204, { absent: 403 }),
  // What administrators of the platform do, with things of any team alike
  "GET /v1/admin/users": platform(200),
  "PUT /v1/admin/users/:id/active": platform(204, { spends: "user", body: () => ({ active: false }) }),
  "PUT /v1/admin/users/:id/admin": platform(204, { body: () => ({ admin: false }) }),
  "GET /v1/admin/teams": platform(200),
  "GET /v1/admin/teams/:id": platform(200),
  "PATCH /v1/admin/teams/:id/limits": platform(200, { body: () => ({ max_capsules: 50 }) }),
  "PUT /v1/admin/teams/:id/public-ports": platform(204, { body: () => ({ allowed: true }) }),
  "PUT /v1/admin/teams/:id/byoc": platform(204, { body: () => ({ enabled: true }) }),
  "DELETE /v1/admin/teams/:id": platform(204, { spends: "team" }),
  "GET /v1/admin/audit-logs": platform(200),
  "GET /v1/admin/mails": platform(200),
  "GET /v1/admin/events": platform(200),
  "GET /v1/admin/events/history": platform(200),
  "GET /v1/admin/builds": platform(200),
  "POST /v1/admin/builds": platform(201, {
    body: (_, fresh) => ({ name: `made-${fresh}`, recipe: ["RUN true"] }),
  }),
  // Those of teams are not the platform's.
  "GET /v1/admin/builds/:id": platform(404),
  "GET /v1/admin/builds/:id/logs": platform(404),
  "POST /v1/admin/builds/:id/cancel": platform(404),
  "GET /v1/admin/templates": platform(200),
  // Those of teams are not the platform's.
  "DELETE /v1/admin/templates/:name": platform(404),
  "GET /v1/admin/capsules": platform(200),
  "POST /v1/admin/capsules": platform(201, { body: () => ({}) }),
  "POST /v1/admin/capsules/:id/snapshot": platform(404, { body: () => ({}) }),
  ...ofPlatformCapsules(),
  // Events and usage
  "GET /v1/events": row("read", 200),
  "GET /v1/events/history": row("read", 200),
  "GET /v1/quota": row("read", 200),
  "GET /v1/capsules/stats": row("read", 200),
  "GET /v1/capsules/usage": row("read", 200),
  // Templates
  "GET /v1/snapshots": row("read", 200),
  "POST /v1/snapshots": row("manage", 201, {
    body: ({ capsule }, fresh) => ({ sandbox_id: capsule, name: `made-${fresh}` }),
    named: ["capsule"],
    spends: "capsule",
  }),
  "DELETE /v1/snapshots/:name": row("manage", 204, { spends: "template" }),
  "POST /v1/builds": row("manage", 201, {
    body: (_, fresh) => ({ name: `made-${fresh}`, recipe: ["RUN true"] }),
  }),
  "POST /v1/builds/import": row("manage", 400, { body: (_, fresh) => ({ name: `made-${fresh}` }) }),
  "GET /v1/builds": row("read", 200),
  "GET /v1/builds/:id": row("read", 200),
  "GET /v1/builds/:id/logs": row("read", 200),
  "POST /v1/builds/:id/cancel": row("manage", 204, { spends: "build" }),
  "GET /v1/templates": row("read", 200),
  "GET /v1/templates/:name": row("read", 200),
  "PATCH /v1/templates/:name": row("manage", 200, { body: () => ({ public: false }) }),
  "GET /v1/templates/:name/tags": row("read", 200),
  "PUT /v1/templates/:name/tags/:tag": row("manage", 204, { nested: 204, body: () => ({ version: 1 }) }),
  "DELETE /v1/templates/:name/tags/:tag": row("manage", 204, { spends: "template" }),
  "DELETE /v1/templates/:name/versions/:version": row("manage", 204, { spends: "template" }),
  ...ofCapsules,
};

/** What is expected of a route; HEAD is as GET. */
export function expectationOf({ method, url }: ServedRoute): Expectation | undefined {
  return expectations[`${method === "HEAD" ? "GET" : method} ${url.replace(/(.)\/$/, "$1")}`];
}
