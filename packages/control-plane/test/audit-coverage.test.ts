import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { defined, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { socketRoutes } from "../src/create-control-plane.ts";
import { recordedRoutes } from "../src/audit/recorded-routes.ts";
import { elsewhere, exceptions } from "./support/audit-exceptions.ts";
import { expectations } from "./support/authorisation-table.ts";
import { FurnishedHostAgent, furniture } from "./support/furnished-host-agent.ts";
import { Furnisher } from "./support/furnished-teams.ts";
import { TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";
import { webSocketCall } from "./support/web-socket-call.ts";

const platform = await TestPlatform.start({
  host: new FurnishedHostAgent(),
  rates: { perAddress: undefined, perKey: undefined },
});
after(() => platform[Symbol.asyncDispose]());
const { db } = platform.database;
const furnisher = await Furnisher.open(platform);

interface Recorded {
  readonly resource_type: string;
  readonly action: string;
  readonly actor_type: string;
  readonly team_id: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What the log gains by `work`. */
async function gained(work: () => Promise<unknown>): Promise<readonly Recorded[]> {
  await platform.settle();
  const before = db.selectFrom("audit_log").select((eb) => eb.fn.max("seq").as("last"));
  const { last } = await before.executeTakeFirstOrThrow();
  await work();
  await platform.settle();
  const rows = db
    .selectFrom("audit_log")
    .selectAll()
    .where("seq", ">", last ?? "0");
  return await rows.orderBy("seq").execute();
}

const actionsOf = (rows: readonly Recorded[]): readonly string[] =>
  rows.map(({ resource_type: resource, action }) => `${resource} ${action}`);

/** Makes the first administrator; what that leaves. */
let root: Pick<Person, "token"> = { token: "" };
const bootstrapped = await gained(async () => {
  const body = { email: "root@example.org", password: "of the administrator", name: "Root" };
  const made = await platform.call("POST", "/v1/auth/bootstrap", {
    body: { ...body, token: platform.firstAdminToken },
  });
  root = { token: String(made.body["token"]) };
});
const team = await furnisher.team("oursmarker");
const stranger = await furnisher.team("strangermarker");
let ofPlatform = await platformCapsule();

type Call = () => Promise<Answer>;

async function as(token: string, route: string, path: string, body?: object): Promise<Answer> {
  const [method = ""] = route.split(" ");
  return await platform.call(method, path, { token, ...(body ? { body } : {}) });
}

/** Requests that need more than the table of authorisation has. */
const special: Readonly<Record<string, Call>> = {
  "POST /v1/auth/login": async () =>
    await platform.call("POST", "/v1/auth/login", {
      body: { email: "root@example.org", password: "of the administrator" },
    }),
  "POST /v1/auth/logout": async () => await as(await newToken(), "POST", "/v1/auth/logout"),
  "POST /v1/auth/activate": async () => {
    await platform.person("activating");
    return accepted;
  },
  "POST /v1/me/password/reset": async () =>
    await platform.call("POST", "/v1/me/password/reset", { body: { email: "root@example.org" } }),
  "POST /v1/me/password/reset/confirm": async () => {
    await platform.call("POST", "/v1/me/password/reset", { body: { email: "activating@example.org" } });
    const body = { token: platform.mailedToken("activating@example.org"), new_password: "another password" };
    return await platform.call("POST", "/v1/me/password/reset/confirm", { body });
  },
  "DELETE /v1/me": async () => {
    const { token, email } = await platform.person("leaving");
    return await as(token, "DELETE", "/v1/me", { confirmation: email });
  },
  "POST /v1/capsules/:id/resume": async () => {
    await furnisher.renew(team, "capsule");
    const path = `/v1/capsules/${team.ids.capsule}`;
    await as(team.people.owner.token, "POST", `${path}/pause`);
    return await as(team.people.owner.token, "POST", `${path}/resume`);
  },
  "POST /v1/teams/:id/leave": async () =>
    await as(team.people.member.token, "POST", `/v1/teams/${team.ids.team}/leave`),
  "POST /v1/hosts": async () => await as(root.token, "POST", "/v1/hosts", { type: "regular" }),
  "PUT /v1/admin/users/:id/admin": async () =>
    await as(root.token, "PUT", `/v1/admin/users/${team.ids.user}/admin`, { admin: true }),
  "POST /v1/admin/capsules/:id/snapshot": async () =>
    await as(root.token, "POST", `/v1/admin/capsules/${await platformCapsule()}/snapshot`, {
      name: "everyones",
    }),
  "DELETE /v1/admin/templates/:name": async () => {
    await special["POST /v1/admin/capsules/:id/snapshot"]?.();
    return await as(root.token, "DELETE", "/v1/admin/templates/everyones");
  },
};
const accepted: Answer = { status: 200, headers: new Headers(), body: {} };

async function newToken(): Promise<string> {
  const body = { email: "root@example.org", password: "of the administrator" };
  return String((await platform.call("POST", "/v1/auth/login", { body })).body["token"]);
}

async function platformCapsule(): Promise<string> {
  const made = await platform.call("POST", "/v1/admin/capsules", { token: root.token, body: {} });
  return String(made.body["id"]);
}

async function usual(route: string): Promise<Answer> {
  const wanted = expectations[route] ?? assert.fail(route);
  const [method = "", url = ""] = route.split(" ");
  const { ids } = team;
  const roots: Readonly<Record<string, string>> = {
    capsules: url.startsWith("/v1/admin/") ? ofPlatform : ids.capsule,
    builds: ids.build,
    teams: ids.team,
    hosts: ids.host,
    channels: ids.channel,
    users: ids.user,
    "api-keys": ids.key,
    invitations: await furnisher.invite(stranger, team.people.owner.email),
  };
  const id = roots[url.replace("/admin/", "/").split("/")[2] ?? ""] ?? "";
  const named: Readonly<Record<string, string>> = {
    ...ids,
    id,
    selector: furniture.tag,
    name: ids.template,
  };
  const path = url.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(named[name] ?? ""));
  const isOfPlatform = wanted.access === "platform" || url.startsWith("/v1/hosts");
  const token = isOfPlatform ? root.token : team.people.owner.token;
  const body =
    wanted.raw?.bytes ??
    (wanted.body && JSON.stringify(wanted.body(ids, Math.random().toString(36).slice(2))));
  const type = wanted.raw?.type ?? (wanted.body ? "application/json" : undefined);
  const response = await fetch(platform.url + path + (wanted.query?.(team) ?? ""), {
    method,
    headers: {
      ...wanted.headers,
      ...(type === undefined ? {} : { "content-type": type }),
      ...(["read", "run", "manage", "ports", "egress"].includes(wanted.access)
        ? { "x-api-key": team.keys.all }
        : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const answer = { status: response.status, headers: response.headers, body: {} };
  assert.ok(answer.status < 400 || route === "POST /v1/channels/test", `${route}: ${answer.status} ${text}`);
  return answer;
}

async function renew(route: string): Promise<void> {
  const { spends } = expectations[route] ?? {};
  if (spends === "team") Object.assign(team, await furnisher.team("oursmarker"));
  else if (spends) await furnisher.renew(team, spends);
  if (route === "DELETE /v1/admin/capsules/:id") ofPlatform = await platformCapsule();
  if (route.startsWith("POST /v1/capsules") || route === "POST /v1/admin/capsules") await endOthers();
}

/** The fake host is small. */
async function endOthers(): Promise<void> {
  const { body } = await platform.call("GET", "/v1/capsules", { key: team.keys.all });
  for (const { id } of body as unknown as { readonly id: string }[])
    if (id !== team.ids.capsule) await platform.call("DELETE", `/v1/capsules/${id}`, { key: team.keys.all });
}

const mutating = Object.keys(expectations).filter((route) => !route.startsWith("GET "));

test("every route that changes something leaves an entry of its kind, or is an exception with a reason", async (t) => {
  assert.deepEqual(actionsOf(bootstrapped).slice(0, 1), ["user bootstrap"]);
  for (const route of mutating) {
    if (route in exceptions || route in elsewhere || route === "POST /v1/auth/bootstrap") continue;
    await t.test(route, async () => {
      platform.clock.advance(3000);
      const rows = await gained(special[route] ?? (async () => await usual(route)));
      assert.ok(rows.length > 0, "no entry");
      const recorded = recordedRoutes[route];
      if (recorded) assert.equal(rows.at(-1)?.action, recorded.action);
      // Some are in the log of the platform as well.
      const logs = new Set(rows.map(({ team_id: teamId }) => teamId));
      if (!(route in special)) assert.equal(rows.length, logs.size, actionsOf(rows).join(", "));
    });
    await renew(route);
  }
  const unknown = Object.keys(recordedRoutes).filter((route) => !mutating.includes(route));
  assert.deepEqual(unknown, []);
});

test("exceptions leave nothing, and every one is a route", async () => {
  for (const route of [...Object.keys(exceptions), ...Object.keys(elsewhere)])
    assert.ok(route in expectations, route);
});

test("the reference lists every action that is recorded", async () => {
  const text = await readFile(join(import.meta.dirname, "../../../docs/reference/control-plane.md"), "utf8");
  const [, table = ""] = /## Audit log[^]*?(\|[^]*?)\n\n/.exec(text) ?? [];
  const listed = new Set<string>();
  for (const line of table.split("\n").slice(2)) {
    const [resources = "", actions = ""] = line.split("|").slice(1);
    const groups = actions.split(";");
    for (const [index, [, resource]] of [...resources.matchAll(/`(\w+)`/g)].entries())
      for (const [, action] of (groups[index] ?? "").matchAll(/`(\w+)`/g))
        listed.add(`${resource} ${action}`);
  }
  await platform.settle();
  const rows = await db.selectFrom("audit_log").select(["resource_type", "action"]).distinct().execute();
  const recorded = Object.values(recordedRoutes).map(({ resource, action }) => `${resource} ${action}`);
  const all = new Set([
    ...recorded,
    ...rows.map(({ resource_type: resource, action }) => `${resource} ${action}`),
  ]);
  assert.deepEqual([...all].filter((action) => !listed.has(action)).toSorted(), []);
});

test("sessions that run something are recorded, those that look are not", async () => {
  const open = async (path: string, first: object): Promise<readonly string[]> => {
    const rows = await gained(async () => {
      await webSocketCall(platform.url, `/v1/capsules/${team.ids.capsule}/${path}`, {
        headers: { "x-api-key": team.keys.all },
        messages: [JSON.stringify(first)],
      });
    });
    return actionsOf(rows);
  };
  assert.deepEqual(await open("exec/stream", { type: "start", cmd: "true" }), ["sandbox exec_stream"]);
  assert.deepEqual(await open("pty", { type: "start", cmd: "true" }), ["sandbox terminal"]);
  const silent = socketRoutes.filter(({ auditAction }) => auditAction === undefined).map(({ path }) => path);
  assert.deepEqual(silent, ["processes/:selector/stream", "files/watch", "ports/:port/tunnel"]);
});

test("commands show their program and not their arguments; repetitions are counted and none is lost", async () => {
  const path = `/v1/capsules/${team.ids.capsule}/exec`;
  const secret = "the-secret-argument";
  const run = async () =>
    await platform.call("POST", path, {
      key: team.keys.all,
      body: { cmd: "true", args: [secret], envs: { TOKEN: secret } },
    });
  await eventually("no window is open", async () => (await gained(run)).length > 0, { intervalMs: 1100 });
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const total = 40;
  const rows = await gained(async () => {
    for (let n = 0; n < total; n++) await run();
    await eventually("the window ends", async () => {
      const counted = db.selectFrom("audit_log").select("metadata").where("action", "=", "exec");
      const found = await counted.orderBy("seq", "desc").limit(1).executeTakeFirst();
      return found?.metadata["count"] !== undefined;
    });
  });
  const count = rows.reduce((sum, { metadata }) => sum + Number(metadata["count"] ?? 1), 0);
  assert.equal(count, total);
  assert.ok(rows.length < total / 2, `${rows.length} rows`);
  assert.equal(rows[0]?.metadata["cmd"], "true");
  assert.ok(!JSON.stringify(rows).includes(secret));
});

test("what is not written yet is written when the server closes", async () => {
  const host = db
    .selectFrom("hosts")
    .select("id")
    .where("type", "=", "regular")
    .where("status", "=", "online");
  const { id } = await host.executeTakeFirstOrThrow();
  const other = await platform.serve({ id, agent: platform.host });
  const path = `/v1/capsules/${team.ids.capsule}/files/mkdir`;
  const rows = await gained(async () => {
    for (let n = 0; n < 5; n++) {
      const headers = { "x-api-key": team.keys.all, "content-type": "application/json" };
      const body = JSON.stringify({ path: furniture.file });
      const answer = await fetch(other.url + path, { method: "POST", headers, body });
      assert.equal(answer.status, 200);
      await answer.text();
    }
    await other.close();
  });
  const count = rows.reduce((sum, { metadata }) => sum + Number(metadata["count"] ?? 1), 0);
  assert.equal(count, 5);
});

test("a command that began is recorded, whether or not its client or its guest is there at its end", async () => {
  const { host } = platform;
  const processes = host.processes.bind(host);
  const path = `/v1/capsules/${team.ids.capsule}/exec`;
  const begun = Promise.withResolvers<void>();
  const failures: (() => Promise<never>)[] = [
    async () => {
      begun.resolve();
      await new Promise((resolve) => setTimeout(resolve, 200));
      throw new WrennError("guest_busy", { problem: "a test" });
    },
    async () => await Promise.reject(new WrennError("guest_busy", { problem: "a test" })),
    async () => await Promise.reject(new WrennError("guest_unreachable", { problem: "a test" })),
  ];
  host.processes = (id) => ({ ...processes(id), start: failures.shift() ?? assert.fail() });
  try {
    const leaving = new AbortController();
    const headers = { "x-api-key": team.keys.all, "content-type": "application/json" };
    const run = async (cmd: string, signal?: AbortSignal): Promise<number> => {
      const request = { method: "POST", headers, body: JSON.stringify({ cmd }), ...defined({ signal }) };
      return (await fetch(platform.url + path, request)).status;
    };
    const rows = await gained(async () => {
      const left = assert.rejects(run("left", leaving.signal));
      await begun.promise;
      leaving.abort();
      await left;
      assert.equal(await run("busy"), 429);
      assert.ok((await run("unreachable")) >= 500);
      await new Promise((resolve) => setTimeout(resolve, 1300));
    });
    assert.deepEqual(
      rows.map(({ action, metadata }) => [action, metadata]),
      [
        ["exec", { cmd: "left" }],
        ["exec", { cmd: "busy, unreachable", count: "2" }],
      ],
    );
  } finally {
    host.processes = processes;
  }
});

test("a file call whose client left or whose guest failed is recorded with its outcome, one that was refused is not", async () => {
  const { host } = platform;
  const files = host.files.bind(host);
  const path = `/v1/capsules/${team.ids.capsule}/files/mkdir`;
  const make = async (): Promise<Answer> =>
    await platform.call("POST", path, { key: team.keys.all, body: { path: "/root/made" } });
  let failure: Error = new WrennError("guest_unreachable", { problem: "a test" });
  host.files = (id) => ({ ...files(id), makeDirectory: async () => await Promise.reject(failure) });
  try {
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const failed = await gained(async () => assert.ok((await make()).status >= 500));
    assert.deepEqual(
      failed.map(({ action, metadata }) => [action, metadata["outcome"]]),
      [["file_mkdir", "unknown"]],
    );
    failure = new WrennError("client_left", {});
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const left = await gained(make);
    assert.deepEqual(actionsOf(left), ["sandbox file_mkdir"]);
    failure = new WrennError("path_not_found", { path: "/root" });
    assert.deepEqual(await gained(make), []);
  } finally {
    host.files = files;
  }
});
