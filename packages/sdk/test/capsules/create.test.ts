import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Capsule } from "../../src/capsules/capsule.ts";
import { refusal, ScriptedApi, wireCapsule } from "../support/scripted-api.ts";

let api: ScriptedApi;
beforeEach(async () => {
  api = await ScriptedApi.start();
});
afterEach(() => api[Symbol.asyncDispose]());

const { id } = wireCapsule();
const path = `/v1/capsules/${id}`;

test("a create sends its options in the units of the wire, and waits until the capsule runs", async () => {
  const states = ["starting", "starting", "running"];
  api
    .on("POST /v1/capsules", { status: 201, body: wireCapsule({ status: "pending" }) })
    .on(`GET ${path}`, () => ({ body: wireCapsule({ status: states.shift() }) }));
  const capsule = await api.client().capsules.create({
    template: "minimal",
    name: "web",
    vcpus: 2,
    memoryMib: 1024,
    diskMib: 20_480,
    idleTimeoutMs: 1500,
    maxLifetimeMs: 3_600_000,
    onLifetimeEnd: "pause_disk",
    autoResume: true,
    envs: { A: "1" },
    user: "user",
    cwd: "/tmp",
    metadata: { stage: "test" },
    network: { egress: "deny", allow: ["example.org"] },
  });
  assert.deepEqual(api.calls[0]?.body, {
    template: "minimal",
    name: "web",
    vcpus: 2,
    memory_mb: 1024,
    disk_mb: 20_480,
    timeout_sec: 2,
    max_lifetime_sec: 3600,
    on_lifetime_end: "pause_disk",
    auto_resume: true,
    envs: { A: "1" },
    user: "user",
    cwd: "/tmp",
    metadata: { stage: "test" },
    network: { egress: "deny", allow: ["example.org"] },
  });
  assert.equal(api.calls.length, 4);
  assert.deepEqual([capsule.id, capsule.name, capsule.lastInfo.status], [id, "web", "running"]);
  assert.equal(capsule.isOwned, true);
});

test("a create that waits for a copy of its template says how far that is", async () => {
  const copying = (done: number) => ({
    status: "starting",
    progress: { phase: "copying_template", done_bytes: done, total_bytes: 100 },
  });
  const states: object[] = [copying(10), copying(60), { status: "running" }];
  api
    .on("POST /v1/capsules", { status: 201, body: wireCapsule({ status: "pending" }) })
    .on(`GET ${path}`, () => ({ body: wireCapsule(states.shift()) }));
  const seen: unknown[] = [];
  const capsule = await api.client().capsules.create({ onProgress: (progress) => void seen.push(progress) });
  assert.deepEqual(
    seen,
    [10, 60].map((doneBytes) => ({ phase: "copying_template", doneBytes, totalBytes: 100 })),
  );
  assert.equal(capsule.lastInfo.progress, undefined);
});

test("each create has a key of its own, and a repeated one has the same", async () => {
  let attempts = 0;
  api.on("POST /v1/capsules", (_call, response) => {
    attempts++;
    if (attempts > 2) return { status: 201, body: wireCapsule() };
    if (attempts === 1) response.destroy();
    else response.writeHead(201, { "content-length": "100" }).write("{", () => response.destroy());
    return undefined;
  });
  await api.client().capsules.create();
  await api.client().capsules.create();
  const keys = api.calls.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(keys.length, 4);
  assert.equal(new Set(keys.slice(0, 3)).size, 1, "a lost answer, and one that broke off");
  assert.equal(new Set(keys).size, 2);
  assert.match(String(keys[0]), /^sdk-[0-9a-f]{32}$/);
});

test("a capsule that is still being started when its create is aborted is destroyed", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  api
    .on("POST /v1/capsules", { status: 201, body: wireCapsule({ status: "pending" }) })
    .on(`GET ${path}`, () => {
      abort.abort(reason);
      return { body: wireCapsule({ status: "starting" }) };
    })
    .on(`DELETE ${path}`, { status: 204 });
  await assert.rejects(api.client().capsules.create({ signal: abort.signal }), reason);
  assert.equal(api.asked.at(-1), `DELETE ${path}`);
});

test("a create that is aborted before its answer is not repeated, and its capsule is destroyed", async () => {
  const abort = new AbortController();
  api
    .on("POST /v1/capsules", () => {
      abort.abort(new Error("enough"));
      return { status: 201, body: wireCapsule({ status: "pending" }) };
    })
    .on(`DELETE ${path}`, { status: 204 });
  await assert.rejects(api.client().capsules.create({ signal: abort.signal }), /enough/);
  assert.deepEqual(api.asked, ["POST /v1/capsules", `DELETE ${path}`]);
});

test("an aborted create that the server refuses rejects with the reason of the abort", async () => {
  const abort = new AbortController();
  api.on("POST /v1/capsules", () => {
    abort.abort(new Error("enough"));
    return refusal(403, "forbidden");
  });
  await assert.rejects(api.client().capsules.create({ signal: abort.signal }), /enough/);
  assert.equal(api.calls.length, 1);
});

test("a capsule whose wait fails is destroyed, and the error is that of the wait", async () => {
  api
    .on("POST /v1/capsules", { status: 201, body: wireCapsule({ status: "starting" }) })
    .on(`GET ${path}`, refusal(403, "forbidden"))
    .on(`DELETE ${path}`, refusal(403, "forbidden"));
  await assert.rejects(api.client().capsules.create(), { code: "forbidden", requestId: "req-1" });
  assert.equal(api.asked.at(-1), `DELETE ${path}`);
});

test("a capsule that could not be started is an error with its problem, and its record stays", async () => {
  api
    .on("POST /v1/capsules", { status: 201, body: wireCapsule({ status: "starting" }) })
    .on(`GET ${path}`, { body: wireCapsule({ status: "error", problem: "no kernel" }) });
  await assert.rejects(api.client().capsules.create(), {
    code: "agent_error",
    reason: "operation_failed",
    message: `creating capsule ${id} failed: no kernel`,
    details: { capsuleId: id },
  });
  assert.deepEqual(api.asked, ["POST /v1/capsules", `GET ${path}`]);
});

test("options that a create does not know are refused by name, those of its network too", async () => {
  const { capsules } = api.client();
  const unknown: readonly (readonly [object, string])[] = [
    [{ memory_mb: 512 }, "Use 'memoryMib'."],
    [{ timeoutMs: 1 }, ""],
    [{ network: { egres: "deny" } }, "Use 'egress'."],
  ];
  for (const [options, remedy] of unknown)
    await assert.rejects(
      capsules.create(options),
      ({ code, remedy: has }: { code: string; remedy: string }) =>
        code === "unknown_option" && has.includes(remedy),
    );
  await assert.rejects(capsules.create({ idleTimeoutMs: -1 }), { code: "invalid_option" });
  assert.equal(api.calls.length, 0);
});

test("a static call makes its own connection, or uses that of a client", async () => {
  api.on("POST /v1/capsules", { status: 201, body: wireCapsule() });
  await Capsule.create({ url: api.url, apiKey: "wrn_other" });
  await Capsule.create({ client: api.client() });
  assert.deepEqual(
    api.calls.map(({ headers }) => headers["x-api-key"]),
    ["wrn_other", "wrn_secret"],
  );
  await assert.rejects(Capsule.create({ client: { url: api.url } }), {
    code: "invalid_option",
    message: /a Wrenn/,
  });
  await assert.rejects(Capsule.create({ client: api.client(), url: api.url }), {
    code: "invalid_option",
    message: "Capsule.create: url cannot be given together with client",
  });
});

test("`await using` destroys what was made, and leaves what was found", async () => {
  api
    .on("POST /v1/capsules", { status: 201, body: wireCapsule() })
    .on(`GET ${path}`, { body: wireCapsule() })
    .on(`DELETE ${path}`, refusal(404, "not_found", "capsule_not_found"));
  {
    await using found = await api.client().capsules.connect(id);
    assert.equal(found.isOwned, false);
  }
  assert.deepEqual(api.asked, [`GET ${path}`]);
  {
    await using made = await api.client().capsules.create();
    void made;
  }
  assert.equal(api.asked.at(-1), `DELETE ${path}`, "one that is gone already is fine");
});
