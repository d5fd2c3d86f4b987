import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { inspect } from "node:util";
import type { Capsule } from "../../src/capsules/capsule.ts";
import { refusal, ScriptedApi, wireCapsule } from "../support/scripted-api.ts";

const { id } = wireCapsule();
const path = `/v1/capsules/${id}`;
const checkpoint = {
  id: "g3",
  kind: "checkpoint",
  name: "before",
  created_at: "2026-03-01T09:30:00Z",
  memory_bytes: 4096,
  stopped_ms: 12.5,
};
const template = {
  name: "warm",
  type: "snapshot",
  size_bytes: 1024,
  created_at: "2026-03-01T09:30:00Z",
  platform: false,
  public: false,
  tags: ["default"],
};

let api: ScriptedApi;
let capsule: Capsule;
beforeEach(async () => {
  api = await ScriptedApi.start();
  api.on(`GET ${path}`, { body: wireCapsule() });
  capsule = await api.client().capsules.get(id);
  api.calls.length = 0;
});
afterEach(() => api[Symbol.asyncDispose]());

/** What one call sends, and what its answer becomes. */
interface Row {
  readonly call: () => Promise<unknown>;
  readonly asks: string;
  readonly body?: unknown;
  readonly answer?: { readonly status?: number; readonly body?: unknown };
  readonly gives?: unknown;
}

const rows: Readonly<Record<string, Row>> = {
  update: {
    call: () => capsule.update({ name: null, metadata: { stage: null, a: "b" }, idleTimeoutMs: 0 }),
    asks: `PATCH ${path}`,
    body: { name: null, metadata: { stage: null, a: "b" }, timeout_sec: 0 },
    answer: { body: wireCapsule() },
  },
  "extend to a time from now": {
    call: () => capsule.extend({ fromNowMs: 60_000 }),
    asks: `POST ${path}/extend`,
    body: { from_now_sec: 60 },
    answer: { body: wireCapsule() },
  },
  "extend by": {
    call: () => capsule.extend({ byMs: 1 }),
    asks: `POST ${path}/extend`,
    body: { by_sec: 1 },
    answer: { body: wireCapsule() },
  },
  pause: {
    call: async () => (await capsule.pause()).status,
    asks: `POST ${path}/pause`,
    body: {},
    answer: { body: wireCapsule({ status: "paused" }) },
    gives: "paused",
  },
  "pause to disk": {
    call: () => capsule.pause({ memory: false }),
    asks: `POST ${path}/pause`,
    body: { memory: false },
    answer: { body: wireCapsule() },
  },
  resume: {
    call: () => capsule.resume(),
    asks: `POST ${path}/resume`,
    body: {},
    answer: { body: wireCapsule() },
  },
  fork: {
    call: async () => (await capsule.fork(2)).map(({ id, isOwned }) => [id, isOwned]),
    asks: `POST ${path}/fork`,
    body: { count: 2 },
    answer: { status: 201, body: [wireCapsule({ id: "cl-1" }), wireCapsule({ id: "cl-2" })] },
    gives: [
      ["cl-1", true],
      ["cl-2", true],
    ],
  },
  checkpoint: {
    call: () => capsule.checkpoint("before"),
    asks: `POST ${path}/checkpoints`,
    body: { name: "before" },
    answer: { status: 201, body: checkpoint },
    gives: {
      id: "g3",
      kind: "checkpoint",
      name: "before",
      createdAt: new Date("2026-03-01T09:30:00Z"),
      memoryBytes: 4096,
      isDiskOnly: false,
      stoppedMs: 12.5,
    },
  },
  checkpoints: {
    call: async () => (await capsule.checkpoints()).map((one) => one.id),
    asks: `GET ${path}/checkpoints?limit=100`,
    answer: { body: [checkpoint] },
    gives: ["g3"],
  },
  restore: {
    call: () => capsule.restore("g3"),
    asks: `POST ${path}/checkpoints/g3/restore`,
    answer: { body: wireCapsule() },
  },
  "delete checkpoint": {
    call: () => capsule.deleteCheckpoint("g3"),
    asks: `DELETE ${path}/checkpoints/g3`,
    answer: { status: 204 },
  },
  snapshot: {
    call: async () => (await capsule.snapshot("warm", { overwrite: true })).reference,
    asks: "POST /v1/snapshots?overwrite=true",
    body: { sandbox_id: id, name: "warm" },
    answer: { status: 201, body: template },
    gives: "warm",
  },
  ping: { call: () => capsule.ping(), asks: `POST ${path}/ping`, answer: { status: 204 } },
  destroy: { call: () => capsule.destroy(), asks: `DELETE ${path}`, answer: { status: 204 } },
  "port access": {
    call: () => capsule.setPortAccess(8000, "public"),
    asks: `PUT ${path}/ports/8000`,
    body: { access: "public" },
    answer: { body: { port: 8000, access: "public", url: "http://x/" } },
    gives: { port: 8000, access: "public", url: "http://x/" },
  },
  network: {
    call: () => capsule.network(),
    asks: `GET ${path}/network`,
    answer: { body: { egress: "deny", allow: [], deny: [] } },
    gives: { egress: "deny", allow: [], deny: [] },
  },
  "set network": {
    call: () => capsule.setNetwork({ egress: "deny" }),
    asks: `PUT ${path}/network`,
    body: { egress: "deny" },
    answer: { body: { egress: "deny", allow: [], deny: [] } },
  },
  "network decisions": {
    call: async () => (await capsule.networkDecisions()).map(({ at }) => at.getTime()),
    asks: `GET ${path}/network/decisions`,
    answer: {
      body: [
        { kind: "name", subject: "x", verdict: "denied", reason: "", count: 1, at: "1970-01-01T00:00:01Z" },
      ],
    },
    gives: [1000],
  },
};

for (const [name, { call, asks, body, answer, gives }] of Object.entries(rows))
  test(`${name} is one request, and gives what it answers`, async () => {
    const [route = ""] = asks.split("?");
    api.on(route, answer);
    const given = await call();
    assert.deepEqual(api.asked, [asks]);
    assert.deepEqual(api.calls[0]?.body, body);
    if (gives !== undefined) assert.deepEqual(given, gives);
  });

test("every call refuses options that it does not know, by name and before it sends anything", async () => {
  const nonsense = { nonsense: 1 } as object;
  const calls: readonly (() => unknown)[] = [
    () => capsule.info(nonsense),
    () => capsule.update(nonsense),
    () => capsule.update({ network: nonsense }),
    () => capsule.extend(nonsense),
    () => capsule.pause(nonsense),
    () => capsule.resume(nonsense),
    () => capsule.fork(1, nonsense),
    () => capsule.checkpoint("x", nonsense),
    () => capsule.checkpoints(nonsense),
    () => capsule.restore("g1", nonsense),
    () => capsule.deleteCheckpoint("g1", nonsense),
    () => capsule.snapshot("x", nonsense),
    () => capsule.ping(nonsense),
    () => capsule.waitUntilRunning(nonsense),
    () => capsule.destroy(nonsense),
    () => capsule.getUrl(1, nonsense),
    () => capsule.signedUrl(1, nonsense),
    () => capsule.createLink(1, nonsense),
    () => capsule.links(nonsense),
    () => capsule.revokeLink({ id: "x", port: 1 }, nonsense),
    () => capsule.ports(nonsense),
    () => capsule.portSettings(nonsense),
    () => capsule.setPortAccess(1, "public", nonsense),
    () => capsule.network(nonsense),
    () => capsule.setNetwork(nonsense),
    () => capsule.setNetwork({}, nonsense),
    () => capsule.networkDecisions(nonsense),
    () => capsule.metrics("5m", nonsense),
    () => capsule.metricsStream(nonsense),
    () => capsule.logs(nonsense),
    () => capsule.events(nonsense),
    () => capsule.events({ follow: true, ...nonsense }),
    () => api.client().info(nonsense),
    () => api.client().quota(nonsense),
    () => api.client().events(nonsense),
    () => api.client(nonsense),
  ];
  for (const call of calls)
    await assert.rejects(
      async () => call(),
      { code: "unknown_option", details: { option: "nonsense" } },
      String(call),
    );
  assert.deepEqual(api.asked, []);
});

test("values that cannot be right are refused before anything is sent", async () => {
  const calls: readonly (() => Promise<unknown>)[] = [
    () => capsule.extend({}),
    () => capsule.extend({ byMs: 1, fromNowMs: 1 }),
    () => capsule.update({ maxLifetimeMs: Number.NaN }),
    () => capsule.restore("../x"),
    () => capsule.getUrl(0),
    () => capsule.createLink(65_536),
    () => capsule.setPortAccess(1.5, "public"),
  ];
  for (const call of calls) await assert.rejects(call, { code: "invalid_option" }, String(call));
  assert.deepEqual(api.asked, []);
});

test("a fork, checkpoint, snapshot or pause whose answer is lost is not sent again; changes and pings are", async () => {
  let sent = 0;
  const lose = (): void => {
    sent++;
  };
  for (const [route, call, times] of [
    [`POST ${path}/fork`, () => capsule.fork(), 1],
    [`POST ${path}/checkpoints`, () => capsule.checkpoint(), 1],
    ["POST /v1/snapshots", () => capsule.snapshot("x"), 1],
    [`POST ${path}/pause`, () => capsule.pause(), 1],
    [`POST ${path}/extend`, () => capsule.extend({ byMs: 1000 }), 1],
    [`POST ${path}/extend`, () => capsule.extend({ fromNowMs: 1000 }), 2],
    [`PATCH ${path}`, () => capsule.update({ name: "x" }), 2],
    [`POST ${path}/ping`, () => capsule.ping(), 2],
  ] as const) {
    sent = 0;
    api.on(route, (_call, response) => {
      lose();
      response.destroy();
      return undefined;
    });
    const once = await api.client({ retries: 1 }).capsules.get(id);
    capsule = once;
    await assert.rejects(call, { code: "connection_failed" });
    assert.equal(sent, times, route);
  }
});

test("what the server said is frozen, has dates and milliseconds, and is not mistaken for the present", async () => {
  const { lastInfo } = capsule;
  assert.deepEqual(lastInfo, {
    id,
    name: "web",
    status: "running",
    template: "minimal",
    vcpus: 1,
    memoryMib: 512,
    diskMib: 5120,
    idleTimeoutMs: 60_000,
    onLifetimeEnd: "pause",
    autoResume: false,
    createdAt: new Date("2026-03-01T09:30:00Z"),
    updatedAt: new Date("2026-03-01T09:31:00Z"),
    metadata: { stage: "test" },
  });
  assert.ok(Object.isFrozen(lastInfo) && Object.isFrozen(lastInfo.metadata));
  api.on(`GET ${path}`, {
    body: wireCapsule({
      name: undefined,
      status: "paused",
      max_lifetime_sec: 3600,
      lifetime_ends_at: "2026-03-01T10:30:00Z",
      env_names: ["A"],
      memory_kept: false,
    }),
  });
  const info = await capsule.info();
  assert.deepEqual(
    [info.status, info.maxLifetimeMs, info.lifetimeEndsAt, info.envNames, info.memoryKept],
    ["paused", 3_600_000, new Date("2026-03-01T10:30:00Z"), ["A"], false],
  );
  assert.equal(capsule.name, undefined);
  assert.equal(capsule.lastInfo, info);
  assert.equal(lastInfo.status, "running");
  api.on(`GET ${path}`, refusal(404, "not_found", "capsule_not_found"));
  await assert.rejects(capsule.info(), { reason: "capsule_not_found" });
});

test("neither JSON nor inspection of objects shows a key", async () => {
  const client = api.client({ headers: { authorization: "Bearer wrn_secret" } });
  const objects = [client, client.http, client.capsules, client.templates, client.builds, capsule];
  for (const one of objects)
    for (const text of [JSON.stringify(one), inspect(one, { depth: 9, showHidden: true })])
      assert.doesNotMatch(text, /wrn_secret/);
  assert.match(inspect(capsule), new RegExp(id));
  assert.deepEqual(JSON.parse(JSON.stringify(client)), { url: api.url });
  assert.equal((JSON.parse(JSON.stringify(capsule)) as { status: string }).status, "running");
});
