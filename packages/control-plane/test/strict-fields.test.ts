import assert from "node:assert/strict";
import diagnostics from "node:diagnostics_channel";
import { after, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { isContractRoute, isContractSocket } from "../src/http/contract-routes.ts";
import { dashboardFilePaths, dashboardPaths } from "../src/dashboard/dashboard-paths.ts";
import { socketRoutes } from "../src/create-control-plane.ts";
import { expectationOf } from "./support/authorisation-table.ts";
import type { Expectation } from "./support/authorisation-table.ts";
import { FurnishedHostAgent, furniture } from "./support/furnished-host-agent.ts";
import { Furnisher } from "./support/furnished-teams.ts";
import { administrators } from "./support/matrix-world.ts";
import { RouteList } from "./support/route-list.ts";
import type { ServedRoute } from "./support/route-list.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";
import { webSocketCall } from "./support/web-socket-call.ts";

const STRICT = { prefer: "handling=strict" };

/** Bodies and queries as the handlers got them. */
const handled: { readonly route: string; readonly body: unknown; readonly query: unknown }[] = [];
const listen = (message: unknown): void => {
  const { fastify } = message as { readonly fastify: FastifyInstance };
  fastify.addHook("preHandler", async ({ method, routeOptions: { url = "" }, body, query }) => {
    handled.push({ route: `${method} ${url}`, body, query });
  });
};
diagnostics.subscribe("fastify.initialization", listen);
using list = new RouteList();
const platform = await TestPlatform.start({
  host: new FurnishedHostAgent(),
  rates: { perAddress: undefined, perKey: undefined },
});
diagnostics.unsubscribe("fastify.initialization", listen);
after(() => platform[Symbol.asyncDispose]());
const furnisher = await Furnisher.open(platform);
const team = await furnisher.team("oursmarker");
const admin = await administrators(platform, furnisher);
const routes = list.all().filter(({ method }) => method !== "HEAD");
const nameOf = ({ method, url }: ServedRoute): string => `${method} ${url}`;

/** Every name of a column of the database. */
const columns: readonly string[] = (await platform.database.db.introspection.getTables()).flatMap((table) =>
  table.columns.map(({ name }) => name),
);

/** Routes that are not of the contract; one that is added belongs here or in `contract-routes.ts`. */
const ownRoutes = [
  "DELETE /v1/capsules/:id/checkpoints/:checkpoint",
  "DELETE /v1/capsules/:id/files/uploads/:upload",
  "DELETE /v1/me/sessions",
  "DELETE /v1/me/sessions/:session",
  "DELETE /v1/teams/:id/invitations/:invitation",
  ...[...dashboardPaths, ...dashboardFilePaths].map((path) => `GET ${path}`),
  "GET /device",
  "GET /docs",
  "GET /docs/api/cli",
  "GET /docs/json",
  "GET /docs/static/*",
  "GET /docs/static/index.html",
  "GET /docs/static/swagger-initializer.js",
  "GET /docs/yaml",
  "GET /download",
  "GET /download/wrenn-cli.tgz",
  "GET /download/wrenn-sdk.tgz",
  "GET /metrics",
  "GET /openapi.json",
  "GET /ready",
  "GET /v1/admin/capsules/:id/processes/:selector",
  "GET /v1/admin/capsules/:id/processes/:selector/logs",
  "GET /v1/admin/capsules/:id/processes/:selector/output",
  "GET /v1/admin/events",
  "GET /v1/admin/events/history",
  "GET /v1/admin/mails",
  "GET /v1/admin/teams/:id",
  "GET /v1/auth/providers",
  "GET /v1/capsules/:id/checkpoints",
  "GET /v1/capsules/:id/files/archive",
  "GET /v1/capsules/:id/files/content",
  "GET /v1/capsules/:id/files/uploads/:upload",
  "GET /v1/capsules/:id/logs",
  "GET /v1/capsules/:id/metrics/stream",
  "GET /v1/capsules/:id/network",
  "GET /v1/capsules/:id/network/decisions",
  "GET /v1/capsules/:id/ports",
  "GET /v1/capsules/:id/ports/listening",
  "GET /v1/capsules/:id/processes/:selector",
  "GET /v1/capsules/:id/processes/:selector/logs",
  "GET /v1/capsules/:id/processes/:selector/output",
  "GET /v1/events",
  "GET /v1/events/history",
  "GET /v1/info",
  "GET /v1/invitations",
  "GET /v1/me/providers",
  "GET /v1/me/sessions",
  "GET /v1/ports/sign-in",
  "GET /v1/quota",
  "GET /v1/teams/:id/invitations",
  "PATCH /v1/admin/capsules/:id",
  "PATCH /v1/admin/teams/:id/limits",
  "PUT /v1/admin/teams/:id/public-ports",
  "PATCH /v1/capsules/:id",
  "PATCH /v1/capsules/:id/files/uploads/:upload",
  "POST /v1/admin/capsules/:id/extend",
  "POST /v1/admin/capsules/:id/files/chmod",
  "POST /v1/admin/capsules/:id/files/copy",
  "POST /v1/admin/capsules/:id/files/exists",
  "POST /v1/admin/capsules/:id/files/move",
  "POST /v1/admin/capsules/:id/files/stat",
  "POST /v1/admin/capsules/:id/files/stream/read",
  "POST /v1/admin/capsules/:id/files/stream/write",
  "POST /v1/admin/capsules/:id/processes/:selector/input",
  "POST /v1/admin/capsules/:id/processes/:selector/signal",
  "POST /v1/auth/bootstrap",
  "POST /v1/auth/bootstrap/renew",
  "POST /v1/auth/browser-links",
  "POST /v1/auth/browser-links/confirm",
  "POST /v1/auth/browser-links/follow",
  "POST /v1/auth/device",
  "POST /v1/auth/device/approve",
  "POST /v1/auth/device/deny",
  "POST /v1/auth/device/lookup",
  "POST /v1/auth/logout",
  "POST /v1/auth/program/approve",
  "POST /v1/auth/program/deny",
  "POST /v1/auth/refresh",
  "POST /v1/auth/token",
  "POST /v1/capsules/:id/checkpoints",
  "POST /v1/capsules/:id/checkpoints/:checkpoint/restore",
  "POST /v1/capsules/:id/extend",
  "POST /v1/capsules/:id/files/chmod",
  "POST /v1/capsules/:id/files/copy",
  "POST /v1/capsules/:id/files/exists",
  "POST /v1/capsules/:id/files/move",
  "POST /v1/capsules/:id/files/stat",
  "POST /v1/capsules/:id/files/uploads",
  "POST /v1/capsules/:id/fork",
  "POST /v1/capsules/:id/ports/:port/link",
  "DELETE /v1/capsules/:id/ports/:port/links/:link",
  "GET /v1/capsules/:id/ports/links",
  "POST /v1/capsules/:id/processes/:selector/input",
  "POST /v1/capsules/:id/processes/:selector/signal",
  "POST /v1/hosts/:id/drain",
  "POST /v1/hosts/:id/rotate",
  "POST /v1/invitations/:id/accept",
  "POST /v1/invitations/:id/decline",
  "POST /v1/teams/:id/invitations",
  "PUT /v1/capsules/:id/files/content",
  "PUT /v1/capsules/:id/network",
  "PUT /v1/capsules/:id/ports/:port",
  "GET /v1/admin/builds/:id/logs",
  "GET /v1/builds",
  "GET /v1/builds/:id",
  "GET /v1/builds/:id/logs",
  "POST /v1/builds",
  "POST /v1/builds/:id/cancel",
  "POST /v1/builds/import",
  "DELETE /v1/templates/:name/tags/:tag",
  "DELETE /v1/templates/:name/versions/:version",
  "GET /v1/templates",
  "GET /v1/templates/:name",
  "GET /v1/templates/:name/tags",
  "PATCH /v1/templates/:name",
  "PUT /v1/templates/:name/tags/:tag",
];

test("every route is one of the contract or one of our own", () => {
  const own = routes.map(nameOf).filter((name) => !isContractRoute(...split(name)));
  assert.deepEqual(own.toSorted(), ownRoutes.toSorted());
  assert.deepEqual(
    socketRoutes.map(({ path }) => path).filter((path) => !isContractSocket(path)),
    ["files/watch", "ports/:port/tunnel"],
  );
});

function split(name: string): [string, string] {
  const [method = "", url = ""] = name.split(" ");
  return [method, url];
}

/** A request that a route grants, of a caller who may make it, with more in its body and query. */
async function ask(
  { method, url }: ServedRoute,
  { body, access }: Expectation,
  more: {
    readonly fields?: object;
    readonly query?: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Answer> {
  // Log-ins and mails are limited by address.
  if (access === "open") platform.clock.advance(3000);
  const named: Readonly<Record<string, string>> = {
    ...team.ids,
    selector: furniture.tag,
    name: team.ids.template,
    id: idOf(url),
  };
  const path = url.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(named[name] ?? ""));
  const given = body?.(team.ids, String(Math.random()).slice(2));
  return await platform.call(method, path + (more.query ?? ""), {
    ...(access === "open" ? {} : { token: (access === "platform" ? admin : team).people.owner.token }),
    ...(more.headers ? { headers: more.headers } : {}),
    ...(method === "GET" ? {} : { body: { ...more.fields, ...(given as object | undefined) } }),
  });
}

function idOf(url: string): string {
  const { ids } = team;
  const root = url.replace("/admin/", "/").split("/")[2] ?? "";
  const of: Readonly<Record<string, string>> = {
    capsules: ids.capsule,
    builds: ids.build,
    teams: ids.team,
    hosts: ids.host,
    channels: ids.channel,
    users: ids.user,
    "api-keys": ids.key,
    invitations: ids.received,
  };
  return of[root] ?? "";
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, unknown>>;
}

const refusal = (answer: Answer): string => JSON.stringify(answer.body["error"]);

test("a nested field of a capsule's network is ignored, and refused by its path when asked to", async () => {
  const body = { network: { egress: "deny", egres: "allow" } };
  const { token } = team.people.owner;
  const usual = await platform.call("POST", "/v1/capsules", { token, body });
  assert.equal(usual.status, 201);
  const strict = await platform.call("POST", "/v1/capsules", { token, body, headers: STRICT });
  assert.equal(strict.status, 400);
  assert.match(refusal(strict), /network\.egres is not known here/);
});

test("environment and other maps take any name in a strict request", async () => {
  const { token } = team.people.owner;
  const body = { cmd: "true", envs: { deleted_at: "now", ANYTHING: "1" } };
  const path = `/v1/capsules/${team.ids.capsule}/exec`;
  const answer = await platform.call("POST", path, { token, body, headers: STRICT });
  assert.equal(answer.status, 200, refusal(answer));
});

test("a strict upload names the field of its form that is not known", async () => {
  const form = new FormData();
  form.set("path", furniture.file);
  form.set("owner", "root");
  form.set("file", new Blob(["bytes"]), "notes");
  const url = `${platform.url}/v1/capsules/${team.ids.capsule}/files/write`;
  const headers = { "x-api-key": team.keys.all };
  assert.equal((await fetch(url, { method: "POST", headers, body: form })).status, 204);
  const strict = await fetch(url, { method: "POST", headers: { ...headers, ...STRICT }, body: form });
  assert.equal(strict.status, 400);
  assert.match(await strict.text(), /owner is not known here/);
});

test("sessions keep to the same: queries before the upgrade, first messages after it", async () => {
  const key = { "x-api-key": team.keys.all };
  const of = (path: string): string => `/v1/capsules/${team.ids.capsule}/${path}`;
  const call = async (path: string, headers: object, first?: object) =>
    await webSocketCall(platform.url, of(path), {
      headers: { ...key, ...headers },
      ...(first ? { messages: [JSON.stringify(first)] } : {}),
    });
  const watch = await call(`files/watch?path=${furniture.file}&owner=root`, {});
  assert.equal(watch.status, 400, "our own session");
  assert.match(watch.messages.join(""), /owner is not known here/);
  const stream = `processes/${furniture.tag}/stream?from=oldest&owner=root`;
  assert.equal((await call(stream, {})).status, 101, "a session of the contract");
  assert.equal((await call(stream, STRICT)).status, 400);
  for (const path of ["exec/stream", "pty"]) {
    const first = { type: "start", cmd: "true", owner: "root" };
    assert.doesNotMatch((await call(path, {}, first)).messages.join(""), /not known/);
    assert.match((await call(path, STRICT, first)).messages.join(""), /owner is not known here/);
  }
  const messages = [JSON.stringify({ type: "auth", token: "x", owner: "root" })];
  const unknown = await webSocketCall(platform.url, of("pty"), { messages });
  assert.match(unknown.messages.join(""), /authentication failed/);
  const refused = await webSocketCall(platform.url, of("pty"), { headers: STRICT, messages });
  assert.match(refused.messages.join(""), /owner is not known here/);
});

test("own routes refuse parameters of a query that they do not list, those of the contract do when asked to", async () => {
  for (const route of routes) {
    const expected = expectationOf(route);
    if (!expected || expected.access === "host" || route.isPage) continue;
    const query = "?deleted_at=now";
    handled.length = 0;
    const strict = await ask(route, expected, { query, headers: STRICT });
    assert.equal(reasonOf(strict), "invalid_field", `${nameOf(route)}: ${refusal(strict)}`);
    assert.ok(refusal(strict).includes("deleted_at is not known here"), refusal(strict));
    assert.equal(handled.length, 0);
    if (isContractRoute(route.method, route.url)) continue;
    const usual = await ask(route, expected, { query });
    assert.equal(reasonOf(usual), "invalid_field", `${nameOf(route)}: ${refusal(usual)}`);
    assert.equal(handled.length, 0);
  }
});

test("no route gets a field of its body that it does not list, whatever column it is named after", async (t) => {
  for (const route of routes) {
    const expected = expectationOf(route);
    const { properties } = (route.schema.body ?? {}) as ObjectSchema;
    if (!expected?.body || !properties) continue;
    await t.test(nameOf(route), async () => {
      const others = columns.filter((name) => !(name in properties));
      const fields = Object.fromEntries(others.map((name) => [name, "2020-01-01T00:00:00Z"]));
      handled.length = 0;
      const strict = await ask(route, expected, { fields, headers: STRICT });
      assert.equal(reasonOf(strict), "invalid_field", refusal(strict));
      assert.ok(refusal(strict).includes(`${others[0]} is not known here`), refusal(strict));
      assert.equal(strict.headers.get("preference-applied"), "handling=strict");
      assert.equal(handled.length, 0);
      const usual = await ask(route, expected, { fields });
      if (!isContractRoute(route.method, route.url)) {
        assert.equal(reasonOf(usual), "invalid_field", refusal(usual));
        assert.equal(handled.length, 0);
        return;
      }
      assert.notEqual(reasonOf(usual), "invalid_field", refusal(usual));
      assert.equal(usual.headers.get("preference-applied"), null);
      const [seen] = handled;
      assert.equal(seen?.route, nameOf(route), refusal(usual));
      assert.deepEqual(
        Object.keys(seen?.body as object).filter((name) => !(name in properties)),
        [],
      );
    });
  }
});
