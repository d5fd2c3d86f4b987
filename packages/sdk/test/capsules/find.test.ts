import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { refusal, ScriptedApi, wireCapsule } from "../support/scripted-api.ts";

let api: ScriptedApi;
beforeEach(async () => {
  api = await ScriptedApi.start();
});
afterEach(() => api[Symbol.asyncDispose]());

const { id } = wireCapsule();
const path = `/v1/capsules/${id}`;
const notFound = refusal(404, "not_found", "capsule_not_found");

test("connect resumes a paused capsule, waits for one that is being started, and takes one that runs", async () => {
  const states = ["starting", "paused"];
  api
    .on("GET /v1/capsules/web", { body: wireCapsule({ status: "pending" }) })
    .on(`GET ${path}`, () => ({ body: wireCapsule({ status: states.shift() }) }))
    .on(`POST ${path}/resume`, { body: wireCapsule() });
  const capsule = await api.client().capsules.connect("web");
  assert.equal(capsule.lastInfo.status, "running");
  assert.deepEqual(api.asked, ["GET /v1/capsules/web", `GET ${path}`, `GET ${path}`, `POST ${path}/resume`]);
});

test("connect looks again when something else resumes the capsule first, or an answer is lost", async () => {
  const states = ["paused", "paused", "running"];
  let resumes = 0;
  api
    .on(`GET ${path}`, () => ({ body: wireCapsule({ status: states.shift() }) }))
    .on(`POST ${path}/resume`, (_call, response) => {
      resumes++;
      if (resumes === 1) return refusal(409, "invalid_state");
      response.destroy();
      return undefined;
    });
  assert.equal((await api.client().capsules.connect(id)).lastInfo.status, "running");
  assert.equal(resumes, 2);
});

test("connect reports what it cannot mend: an end, a broken snapshot, no such capsule", async () => {
  const { capsules } = api.client({ retries: 0 });
  api.on(`GET ${path}`, { body: wireCapsule({ status: "stopped" }) });
  await assert.rejects(capsules.connect(id), { code: "invalid_state", reason: "capsule_ended" });
  api
    .on(`GET ${path}`, { body: wireCapsule({ status: "paused" }) })
    .on(`POST ${path}/resume`, refusal(409, "snapshot_incompatible"));
  await assert.rejects(capsules.connect(id), { code: "snapshot_incompatible" });
  api.on(`GET ${path}`, notFound);
  await assert.rejects(capsules.connect(id), { code: "not_found", reason: "capsule_not_found" });
});

test("get or create takes the capsule with the name, or makes it", async () => {
  api
    .on("GET /v1/capsules/web", notFound)
    .on("POST /v1/capsules", { status: 201, body: wireCapsule() })
    .on(`GET ${path}`, { body: wireCapsule() });
  const { capsules } = api.client();
  assert.equal((await capsules.getOrCreate("web", { memoryMib: 256 })).isOwned, true);
  assert.deepEqual(api.calls.at(-1)?.body, { name: "web", memory_mb: 256 });
  api.on("GET /v1/capsules/web", { body: wireCapsule() });
  assert.equal((await capsules.getOrCreate("web")).isOwned, false);
});

test("get or create takes the capsule of a caller that was first, and makes another when that has ended", async () => {
  const found = [notFound, { body: wireCapsule() }, notFound];
  const ends = [{ body: wireCapsule({ status: "stopped" }) }];
  const made = [refusal(409, "conflict", "capsule_name_taken"), { status: 201, body: wireCapsule() }];
  api
    .on("GET /v1/capsules/web", () => found.shift())
    .on(`GET ${path}`, () => ends.shift())
    .on("POST /v1/capsules", () => made.shift());
  assert.equal((await api.client().capsules.getOrCreate("web")).isOwned, true);
  assert.equal(made.length + found.length + ends.length, 0);
  const keys = api.calls.flatMap(({ headers }) => headers["idempotency-key"] ?? []);
  assert.equal(new Set(keys).size, 2, "another create, not a repetition of the first");
});

test("get or create reports other refusals at once, and takes no capsule by its id", async () => {
  const { capsules } = api.client();
  api.on("GET /v1/capsules/web", notFound);
  api.on("POST /v1/capsules", refusal(404, "not_found", "template_not_found"));
  await assert.rejects(capsules.getOrCreate("web"), { reason: "template_not_found" });
  api.on(`GET ${path}`, { body: wireCapsule() });
  api.on("POST /v1/capsules", refusal(409, "name_reserved", "capsule_name_reserved"));
  await assert.rejects(capsules.getOrCreate(id), { reason: "capsule_name_reserved" });
  await assert.rejects(capsules.getOrCreate("web", { name: "other" } as object), {
    code: "unknown_option",
    message: "Capsule.getOrCreate has no option 'name'",
  });
});

test("a list reads its pages as they are needed, with filters, and again each time", async () => {
  api.on("GET /v1/capsules", ({ query }) => {
    const from = Number(query.get("cursor") ?? 0);
    const count = Math.min(Number(query.get("limit")), 5 - from);
    const next = from + count;
    return {
      body: Array.from({ length: count }, (_none, n) => wireCapsule({ name: `c${from + n}` })),
      ...(next < 5 ? { headers: { "x-next-cursor": String(next) } } : {}),
    };
  });
  const { capsules } = api.client();
  const filters = {
    status: ["running", "paused"],
    metadata: { stage: "a=b", owner: "ada" },
    createdAfter: new Date("2026-01-01T00:00:00Z"),
    order: "asc",
    pageSize: 2,
  } as const;
  const list = capsules.list(filters);
  assert.equal(api.calls.length, 0);
  for (const _time of [1, 2]) {
    const names: (string | undefined)[] = [];
    for await (const { name } of list) names.push(name);
    assert.deepEqual(names, ["c0", "c1", "c2", "c3", "c4"]);
  }
  assert.equal(api.calls.length, 6);
  const [{ query } = assert.fail()] = api.calls;
  assert.deepEqual(query.getAll("metadata"), ["stage=a=b", "owner=ada"]);
  assert.deepEqual(query.getAll("status"), ["running", "paused"]);
  assert.equal(query.get("created_after"), "2026-01-01T00:00:00.000Z");
  const some = await Array.fromAsync(capsules.list({ pageSize: 2, limit: 3 }));
  assert.equal(some.length, 3);
  assert.deepEqual(api.asked.slice(6), ["GET /v1/capsules?limit=2", "GET /v1/capsules?limit=1&cursor=2"]);
  for await (const _first of capsules.list({ pageSize: 2 })) break;
  assert.equal(api.calls.length, 9, "what is not read is not asked for");
  assert.throws(() => capsules.list({ pageSize: 1001 }), { code: "invalid_option" });
  assert.throws(() => capsules.list({ state: "running" } as object), { code: "unknown_option" });
});

test("text that is no id and no name is refused before anything is asked", async () => {
  const { capsules, templates, builds } = api.client();
  for (const text of ["", ".", ".."])
    for (const call of [
      () => capsules.get(text),
      () => capsules.connect(text),
      () => capsules.getOrCreate(text),
      () => templates.get(text),
      () => builds.get(text),
    ])
      await assert.rejects(call, { code: "invalid_option" });
  assert.equal(api.calls.length, 0);
});

test("waiting for a capsule ends when it runs, and refuses one that is paused or has ended", async () => {
  const states = ["running", "missing", "starting", "running"];
  api.on(`GET ${path}`, () => ({ body: wireCapsule({ status: states.shift() }) }));
  const capsule = await api.client().capsules.get(id);
  assert.equal((await capsule.waitUntilRunning()).status, "running");
  api.on(`GET ${path}`, { body: wireCapsule({ status: "paused" }) });
  await assert.rejects(capsule.waitUntilRunning(), { reason: "capsule_not_running", remedy: /connect/ });
  api.on(`GET ${path}`, { body: wireCapsule({ status: "error", problem: "it burnt" }) });
  await assert.rejects(capsule.waitUntilRunning(), { reason: "capsule_ended", message: /error\): it burnt/ });
  api.on(`GET ${path}`, { body: wireCapsule({ status: "starting" }) });
  const signal = AbortSignal.timeout(100);
  await assert.rejects(capsule.waitUntilRunning({ signal }), { name: "TimeoutError" });
});
