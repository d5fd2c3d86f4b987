import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Wrenn } from "../../src/client.ts";
import { refusal, ScriptedApi } from "../support/scripted-api.ts";

const AT = "2026-03-01T09:30:00Z";
const template = {
  name: "warm",
  type: "snapshot",
  vcpus: 1,
  memory_mb: 512,
  size_bytes: 9,
  created_at: AT,
  platform: false,
  public: true,
  version: 2,
  tags: ["default"],
  reference: "team/warm",
};
const build = {
  id: "bld-1",
  name: "app",
  base_template: "minimal",
  recipe: ["RUN true"],
  vcpus: 1,
  memory_mb: 512,
  skip_pre_post: false,
  status: "running",
  current_step: 1,
  total_steps: 1,
  logs: [
    {
      step: 1,
      phase: "recipe",
      cmd: "RUN true",
      stdout: "",
      stderr: "",
      exit: 0,
      ok: true,
      cached: false,
      elapsed_ms: 5,
    },
  ],
  dropped_lines: 0,
  default_user: "root",
  default_env: {},
  created_at: AT,
};

let api: ScriptedApi;
let client: Wrenn;
before(async () => {
  api = await ScriptedApi.start();
});
after(() => api[Symbol.asyncDispose]());
beforeEach(() => {
  client = api.client();
  api.calls.length = 0;
});

test("templates are listed with what a create names them", async () => {
  api.on("GET /v1/templates", { body: [template] });
  const [one] = await Array.fromAsync(client.templates.list({ scope: "public" }));
  assert.deepEqual(one, {
    name: "warm",
    type: "snapshot",
    vcpus: 1,
    memoryMib: 512,
    sizeBytes: 9,
    createdAt: new Date(AT),
    isPlatform: false,
    isPublic: true,
    version: 2,
    tags: ["default"],
    reference: "team/warm",
    metadata: {},
  });
  api.on("GET /v1/snapshots", { body: [{ ...template, reference: undefined }] });
  for await (const { reference } of client.templates.list()) assert.equal(reference, "warm");
  await Array.fromAsync(client.templates.list({ scope: "team" }));
  assert.deepEqual(api.asked, [
    "GET /v1/templates?public=true&limit=100",
    "GET /v1/snapshots?limit=100",
    "GET /v1/templates?limit=100",
  ]);
  assert.throws(() => client.templates.list({ scope: "all" as "team" }), { code: "invalid_option" });
});

test("a template is read, tagged, published and deleted", async () => {
  const version = { version: 2, tags: ["next"], vcpus: 1, memory_mb: 512, size_bytes: 9, created_at: AT };
  const details = {
    name: "warm",
    platform: false,
    public: true,
    own: true,
    versions: [version],
    tags: [{ tag: "next", version: 2, tagged_at: AT }],
  };
  api
    .on("GET /v1/templates/team%2Fwarm", { body: details })
    .on("PATCH /v1/templates/warm", { body: details })
    .on("PUT /v1/templates/warm/tags/default", { status: 204 })
    .on("DELETE /v1/templates/warm/tags/next", { status: 204 })
    .on("DELETE /v1/templates/warm/versions/1", { status: 204 })
    .on("DELETE /v1/snapshots/warm", refusal(409, "conflict", "template_in_use"));
  const { templates } = client;
  assert.deepEqual(await templates.get("team/warm"), {
    name: "warm",
    isPlatform: false,
    isPublic: true,
    isOwn: true,
    versions: [
      {
        version: 2,
        tags: ["next"],
        vcpus: 1,
        memoryMib: 512,
        sizeBytes: 9,
        exposedPorts: [],
        labels: {},
        createdAt: new Date(AT),
      },
    ],
    tags: [{ tag: "next", version: 2, taggedAt: new Date(AT) }],
  });
  assert.equal((await templates.setPublic("warm", true)).isPublic, true);
  await templates.setTag("warm", "default", 2);
  await templates.removeTag("warm", "next");
  await templates.deleteVersion("warm", 1);
  await assert.rejects(templates.delete("warm"), { reason: "template_in_use" });
  assert.deepEqual(
    api.calls.map(({ body }) => body),
    [undefined, { public: true }, { version: 2 }, undefined, undefined, undefined],
  );
});

test("a build is started with its recipe, and with files in a form", async () => {
  api.on("POST /v1/builds", { status: 201, body: build });
  const made = await client.builds.create({
    name: "app",
    recipe: ["RUN true"],
    skipPrePost: true,
    memoryMib: 256,
  });
  assert.deepEqual(api.calls[0]?.body, {
    name: "app",
    recipe: ["RUN true"],
    memory_mb: 256,
    skip_pre_post: true,
  });
  assert.deepEqual(made.steps, [
    {
      step: 1,
      phase: "recipe",
      cmd: "RUN true",
      stdout: "",
      stderr: "",
      exitCode: 0,
      isOk: true,
      isCached: false,
      durationMs: 5,
    },
  ]);
  let form: FormData | undefined;
  api.on("POST /v1/builds", async ({ headers, raw }) => {
    form = await new Response(raw, {
      headers: { "content-type": String(headers["content-type"]) },
    }).formData();
    return { status: 201, body: build };
  });
  await client.builds.create({
    name: "app",
    recipe: ["COPY . /app"],
    archive: new Uint8Array([0, 13, 10, 255]),
  });
  assert.deepEqual(JSON.parse(form?.get("config") as string), { name: "app", recipe: ["COPY . /app"] });
  const archive = form?.get("archive");
  assert.ok(archive instanceof File);
  assert.deepEqual(await archive.bytes(), new Uint8Array([0, 13, 10, 255]));
});

test("the lines of a build are followed to its end", async () => {
  const line = (seq: number) => ({ seq, step: 1, stream: "stdout", text: `${seq}`, at: AT });
  const pages = [
    { lines: [line(0), line(1)], next_from: 2, status: "running" },
    { lines: [], next_from: 2, status: "running" },
    { lines: [line(2)], next_from: 3, status: "success" },
    { lines: [], next_from: 3, status: "success" },
  ];
  api.on("GET /v1/builds/bld-1/logs", () => ({ body: pages.shift() }));
  const lines = await Array.fromAsync(client.builds.logs("bld-1", { follow: true }));
  assert.deepEqual(
    lines.map(({ seq, at }) => [seq, at.getTime()]),
    [0, 1, 2].map((seq) => [seq, Date.parse(AT)]),
  );
  assert.deepEqual(
    api.calls.map(({ query }) => query.get("from")),
    ["0", "2", "2", "3"],
  );
});

test("builds are read, listed and cancelled, and a refusal of a new one says why", async () => {
  api
    .on("GET /v1/builds", { body: [build] })
    .on("GET /v1/builds/bld-1", { body: { ...build, status: "failed", error: "no", completed_at: AT } })
    .on("POST /v1/builds/bld-1/cancel", { status: 204 })
    .on("POST /v1/builds", refusal(400, "invalid_request", "recipe_invalid"));
  assert.equal((await Array.fromAsync(client.builds.list({ limit: 1 }))).length, 1);
  const { status, error, completedAt } = await client.builds.get("bld-1");
  assert.deepEqual([status, error, completedAt], ["failed", "no", new Date(AT)]);
  await client.builds.cancel("bld-1");
  await assert.rejects(client.builds.create({ name: "a", recipe: [] }), { reason: "recipe_invalid" });
});

test("every call refuses options that it does not know", async () => {
  const nonsense = { nonsense: 1 } as object;
  const { templates, builds } = client;
  const calls: readonly (() => unknown)[] = [
    () => templates.list(nonsense),
    () => templates.get("x", nonsense),
    () => templates.setPublic("x", true, nonsense),
    () => templates.setTag("x", "y", 1, nonsense),
    () => templates.removeTag("x", "y", nonsense),
    () => templates.deleteVersion("x", 1, nonsense),
    () => templates.delete("x", nonsense),
    () => builds.create({ name: "x", recipe: [], ...nonsense }),
    () => builds.list(nonsense),
    () => builds.get("x", nonsense),
    () => builds.logs("x", nonsense),
    () => builds.cancel("x", nonsense),
  ];
  for (const call of calls)
    await assert.rejects(async () => call(), { code: "unknown_option" }, String(call));
  assert.deepEqual(api.asked, []);
});

test("quota and server information have the names of the SDK", async () => {
  const item = { used: 1, limit: 2, remedy: "Ask." };
  const kinds = [
    "capsules",
    "vcpus",
    "memory_mb",
    "disk_mb",
    "snapshots",
    "checkpoints",
    "capsule_checkpoints",
    "builds",
    "channels",
    "api_keys",
  ];
  api.on("GET /v1/quota", {
    body: { team_id: "team-1", ...Object.fromEntries(kinds.map((kind) => [kind, item])) },
  });
  const quota = await client.quota();
  assert.deepEqual([quota.memoryMib, quota.templates, quota.checkpointsOfCapsule], [item, item, item]);
  assert.equal(Object.keys(quota).length, kinds.length + 1);
  api.on("GET /v1/info", {
    body: {
      version: "0.2.0",
      api_versions: ["v1"],
      time: AT,
      features: ["fork"],
      limits: {
        json_body_bytes: 1,
        message_bytes: 2,
        exec_output_bytes: 3,
        exec_timeout_sec: 4,
        access_token_sec: 5,
      },
      ports: { scheme: "http", domain: "localhost", port: 8080 },
    },
  });
  const { time, limits } = await client.info();
  assert.deepEqual([time, limits.execTimeoutMs, limits.accessTokenMs], [new Date(AT), 4000, 5000]);
});
