import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { builtOnDemand, ensurePlatformKey } from "@wrenn/control-plane";
import { eventually } from "@wrenn/core/testing";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import type { FirstUseState } from "../src/templates/first-use.ts";
import { BuildLab } from "./support/build-lab.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const lab = await BuildLab.open();
after(() => lab[Symbol.asyncDispose]());
const { platform } = lab;

test("the templates that are built on demand are those with a definition", async () => {
  const images = join(import.meta.dirname, "../../../images");
  const defined: string[] = [];
  for (const { name, parentPath } of await readdir(images, { recursive: true, withFileTypes: true }))
    if (name === "template.json") defined.push(parentPath.slice(images.length + 1));
  assert.deepEqual(defined.sort(), [...builtOnDemand].sort());
});

test("a create of a built-in template that is not built says how it is built", async () => {
  for (const template of ["python", "platform/node", "base:default"]) {
    const answer = await lab.call("POST", "/v1/capsules", { template });
    assert.deepEqual([answer.status, reasonOf(answer)], [404, "template_not_built"], template);
    const { remedy } = answer.body["error"] as { readonly remedy: string };
    assert.match(remedy, /\.\/wrenn template build --builtin (python|node|base)\./);
  }
  const tagged = await lab.call("POST", "/v1/capsules", { template: "python:3.12" });
  assert.equal(reasonOf(tagged), "template_not_found");
});

test("a create that needs a template has it built once, and is told how far that is", async () => {
  const needed: string[] = [];
  let state: FirstUseState = { kind: "running", progress: "step 1" };
  const need = (name: string): FirstUseState => {
    needed.push(name);
    return state;
  };
  await using other = await TestPlatform.start({ host: new FakeHostAgent(), firstUse: { need } });
  const create = async () =>
    await other.call("POST", "/v1/capsules", { key: other.apiKey, body: { template: "python" } });
  const running = await create();
  assert.deepEqual([running.status, reasonOf(running)], [503, "template_being_built"]);
  assert.match((running.body["error"] as { readonly message: string }).message, /python.*step 1/);
  assert.equal(running.headers.get("retry-after"), "2");
  state = { kind: "failed", problem: "no mirror" };
  const failed = await create();
  assert.deepEqual([failed.status, reasonOf(failed)], [503, "template_build_failed"]);
  assert.match((failed.body["error"] as { readonly message: string }).message, /no mirror/);
  assert.deepEqual(needed, ["python", "python"]);
});

test("no team takes the name of a built-in template, except one that has it already", async () => {
  const build = { name: "node", recipe: ["RUN true"] };
  const refused = await lab.call("POST", "/v1/builds", build);
  assert.deepEqual([refused.status, reasonOf(refused)], [409, "template_name_reserved"]);
  await lab.reaches(await lab.start("earlier", ["RUN true"]), "success");
  // As if it had been made before the platform had the name.
  const { db } = platform.database;
  const [known] = await db.selectFrom("template_names").selectAll().where("name", "=", "earlier").execute();
  assert.ok(known);
  await db
    .insertInto("template_names")
    .values({ ...known, name: "node" })
    .execute();
  for (const table of ["templates", "template_tags"] as const)
    await db.updateTable(table).set({ name: "node" }).where("name", "=", "earlier").execute();
  assert.equal((await lab.call("POST", "/v1/builds", build)).status, 201);
});

test("the operator's key builds templates for every team, and is made again when the database lost it", async () => {
  const deps = { clock: platform.clock, random: systemRandom };
  const key = await ensurePlatformKey(platform.database, deps, undefined);
  assert.equal(await ensurePlatformKey(platform.database, deps, key), key);
  assert.notEqual(await ensurePlatformKey(platform.database, deps, platform.apiKey), platform.apiKey);
  assert.notEqual(await ensurePlatformKey(platform.database, deps, `wrn_${"0".repeat(32)}`), key);
  const body = { name: "python", recipe: ["RUN true"], skip_pre_post: true };
  const made = await platform.call("POST", "/v1/builds", { key, body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await eventually("it is built", async () => {
    const { status } = await platform.call("GET", `/v1/templates/python`, { key });
    return status === 200;
  });
  const capsule = await lab.call("POST", "/v1/capsules", { template: "python" });
  assert.equal(capsule.status, 201, JSON.stringify(capsule.body));
  assert.equal((await platform.call("GET", "/v1/admin/builds", { key })).status, 401);
});
