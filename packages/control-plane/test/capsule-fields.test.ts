import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key } = platform;

const call = async (method: string, path: string, body?: object): Promise<Answer> =>
  await platform.call(method, path, { key, ...(body ? { body } : {}) });

async function created(body: object): Promise<string> {
  const answer = await call("POST", "/v1/capsules", body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return String(answer.body["id"]);
}

test("a capsule carries what it was created with, and shows the names of its environment by itself only", async () => {
  const id = await created({
    name: "full",
    metadata: { für: "☕", empty: "" },
    envs: { TOKEN: "s3cret", A: "1" },
    user: "ada",
    cwd: "/srv",
    on_lifetime_end: "destroy",
  });
  const { body } = await call("GET", `/v1/capsules/${id}`);
  const { metadata, env_names, user, cwd, disk_mb, auto_resume, on_lifetime_end } = body;
  assert.deepEqual(
    { metadata, env_names, user, cwd, disk_mb, auto_resume, on_lifetime_end },
    {
      metadata: { für: "☕", empty: "" },
      env_names: ["A", "TOKEN"],
      user: "ada",
      cwd: "/srv",
      disk_mb: 5120,
      auto_resume: false,
      on_lifetime_end: "destroy",
    },
  );
  const { body: list } = await call("GET", "/v1/capsules?name=full");
  assert.doesNotMatch(JSON.stringify(list), /env_names|TOKEN/);
  const { db } = platform.database;
  await platform.settle();
  const stored = JSON.stringify([
    await db.selectFrom("sandboxes").selectAll().execute(),
    await db.selectFrom("events").selectAll().execute(),
    await db.selectFrom("audit_log").selectAll().execute(),
    await db.selectFrom("operations").selectAll().execute(),
    platform.logged,
  ]);
  assert.ok(stored.includes("TOKEN"));
  assert.ok(!stored.includes("s3cret"), "the values are in no row, event or log");
});

test("metadata, environment and defaults are bounded, and what does not fit is refused by its name", async () => {
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, ""]));
  for (const [body, reason] of [
    [{ metadata: many }, "metadata_too_large"],
    [{ metadata: { k: "x".repeat(16_384) } }, "metadata_too_large"],
    [{ metadata: { ["x".repeat(16_385)]: "" } }, "metadata_too_large"],
    [{ metadata: { k: "a\nb" } }, "invalid_field"],
    [{ metadata: { "a\tb": "" } }, "invalid_field"],
    [{ metadata: { "": "x" } }, "invalid_field"],
    [{ metadata: { k: 1 } }, "invalid_field"],
    [{ metadata: ["a"] }, "invalid_field"],
    [{ metadata: { vmm_version: "9" } }, "metadata_reserved"],
    [{ metadata: { vmm: "mine" } }, "metadata_reserved"],
    [{ envs: { "A=B": "1" } }, "invalid_field"],
    [{ envs: { A: "\0" } }, "invalid_field"],
    [{ envs: { A: "x".repeat(65_536) } }, "invalid_field"],
    [{ user: "a\0" }, "invalid_field"],
    [{ cwd: "relative" }, "invalid_field"],
    [{ on_lifetime_end: "never" }, "invalid_field"],
  ] as const) {
    const refused = await call("POST", "/v1/capsules", body);
    assert.deepEqual([refused.status, reasonOf(refused)], [400, reason], JSON.stringify(body).slice(0, 80));
  }
  const most = Object.fromEntries(
    Array.from({ length: 64 }, (_, index) => [`key${index + 10}`, "x".repeat(251)]),
  );
  await created({ metadata: most });
});

test("forks have the metadata, environment and defaults of their source, and no name", async () => {
  const body = {
    metadata: { stage: "fork" },
    envs: { A: "1" },
    user: "ada",
    cwd: "/srv",
    on_lifetime_end: "destroy",
  };
  const id = await created({ name: "parent", ...body });
  const { status, body: forked } = await call("POST", `/v1/capsules/parent/fork`, { count: 2 });
  assert.equal(status, 201, JSON.stringify(forked));
  for (const child of forked as unknown as Record<string, unknown>[]) {
    assert.notEqual(child["id"], id);
    const { name, metadata, env_names, user, cwd, on_lifetime_end } = child;
    assert.deepEqual(
      { name, metadata, env_names, user, cwd, on_lifetime_end },
      {
        name: undefined,
        metadata: body.metadata,
        env_names: ["A"],
        user: "ada",
        cwd: "/srv",
        on_lifetime_end: "destroy",
      },
    );
  }
});

test("disk_mb is at least what is on the template's disk; templates and forks keep it", async () => {
  const small = await call("POST", "/v1/capsules", { disk_mb: 5119 });
  assert.deepEqual([small.status, reasonOf(small)], [400, "disk_too_small"]);
  for (const disk_mb of [-1, 102_401, 1.5])
    assert.equal(reasonOf(await call("POST", "/v1/capsules", { disk_mb })), "invalid_field", String(disk_mb));
  const shown = async (id: string): Promise<unknown> =>
    (await call("GET", `/v1/capsules/${id}`)).body["disk_mb"];
  assert.equal(await shown(await created({ disk_mb: 0 })), 5120);
  const id = await created({ disk_mb: 8192, envs: { A: "1" }, user: "ada", metadata: { stage: "made" } });
  assert.equal(await shown(id), 8192);
  const { body: forked } = await call("POST", `/v1/capsules/${id}/fork`);
  assert.equal((forked as unknown as { disk_mb: number }[])[0]?.disk_mb, 8192);
  const template = await call("POST", "/v1/snapshots", { sandbox_id: id, name: "larger" });
  assert.deepEqual(template.body["metadata"], { stage: "made" });
  const refused = await call("POST", "/v1/capsules", { template: "larger", disk_mb: 5120 });
  assert.equal(reasonOf(refused), "disk_too_small");
  const made = await call("POST", "/v1/capsules", { template: "larger", envs: { B: "2" } });
  const { disk_mb, env_names, user, metadata } = made.body;
  assert.deepEqual(
    { disk_mb, env_names, user, metadata },
    { disk_mb: 8192, env_names: ["A", "B"], user: "ada", metadata: undefined },
  );
});
