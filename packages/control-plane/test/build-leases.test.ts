import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseId, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { sql } from "kysely";
import { BuildLab } from "./support/build-lab.ts";
import { reasonOf } from "./support/test-platform.ts";

const lab = await BuildLab.open();
after(() => lab[Symbol.asyncDispose]());
const { platform, builder } = lab;
const { db } = platform.database;

const ownersOf = async (ids: readonly string[]): Promise<readonly unknown[]> => {
  const rows = await db.selectFrom("builds").select(["name", "owner"]).execute();
  return ids.map((id) => rows.find(({ name }) => name === id)?.owner);
};

test("two control planes share the queue, and each build is run by one of them", async () => {
  await db.updateTable("teams").set({ max_builds: 100, max_templates: 100 }).execute();
  const second = await platform.serve(undefined);
  const runs = new Map<string, number>();
  const build = builder.build.bind(builder);
  builder.build = async (job, ...rest) => {
    runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
    return await build(job, ...rest);
  };
  const ids = await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const body = { name: `shared-${n}`, recipe: ["RUN echo a"], skip_pre_post: true };
      const url = n % 2 === 0 ? platform.url : second.url;
      const answer = await lab.call("POST", "/v1/builds", body, url);
      assert.equal(answer.status, 201, JSON.stringify(answer.body));
      return String(answer.body["id"]);
    }),
  );
  for (const id of ids) await lab.reaches(id, "success");
  assert.deepEqual(
    [...runs.values()],
    ids.map(() => 1),
  );
  const owners = await ownersOf(ids.map((_, n) => `shared-${n}`));
  assert.equal(new Set(owners).size, 2);
  builder.build = build;
  await second.close();
});

test("a build is cancelled through another control plane than the one that runs it", async () => {
  const id = await lab.start("remote", ["RUN sleep 600"]);
  await lab.reaches(id, "running");
  const second = await platform.serve(undefined);
  const cancelled = await lab.call("POST", `/v1/builds/${id}/cancel`, undefined, second.url);
  assert.equal(cancelled.status, 204);
  await eventually("its control plane ends it", () => !builder.running.has(id));
  assert.equal((await lab.get(id))["status"], "cancelled");
  await second.close();
});

test("a control plane that closes interrupts what it runs and leaves what waits to others", async () => {
  // The first control plane has no room: what comes now is for the second.
  const blocking = [await lab.start("b1", ["RUN sleep 600"]), await lab.start("b2", ["RUN sleep 600"])];
  for (const id of blocking) await lab.reaches(id, "running");
  const second = await platform.serve(undefined);
  const running = [await lab.start("r1", ["RUN sleep 600"]), await lab.start("r2", ["RUN sleep 600"])];
  for (const id of running) await lab.reaches(id, "running");
  const waiting = await lab.start("w1", ["RUN echo a"]);
  await second.close();
  for (const id of running) {
    const build = await lab.get(id);
    assert.deepEqual([build["status"], build["reason"]], ["interrupted", "build_interrupted"]);
    assert.ok(!builder.running.has(id));
  }
  assert.equal((await lab.get(waiting))["status"], "pending");
  for (const id of blocking) await lab.call("POST", `/v1/builds/${id}/cancel`);
  await lab.reaches(waiting, "success");
});

/** As if a control plane with this id had begun a build. */
async function runBy(owner: string): Promise<string> {
  const { id: team } = await db.selectFrom("builds").select("team_id as id").executeTakeFirstOrThrow();
  const id = systemRandom.uuid();
  // Never pending: a worker would take it.
  await sql`
    insert into builds (id, team_id, name, tag, base_template, recipe, vcpus, memory_mb, total_steps, status, owner, started_at)
    values (${id}, ${team}, ${`of-${owner.slice(0, 8)}`}, 'default', 'minimal', '["RUN true"]', 1, 512, 1, 'running', ${owner}, now())`.execute(
    db,
  );
  return id;
}

const statusOf = async (id: string): Promise<unknown> =>
  (await db.selectFrom("builds").select("status").where("id", "=", id).executeTakeFirstOrThrow()).status;

test("builds of a control plane that was killed are interrupted by others, and by its own restart", async () => {
  await lab.reaches(await lab.start("first", ["RUN true"]), "success");
  const orphan = await runBy(systemRandom.uuid());
  const { id: hostId } = await db.selectFrom("hosts").select("id").executeTakeFirstOrThrow();
  const later = new Date(Date.now() + 15 * 60_000);
  const [orphaned, other] = [`tpl-${orphan}`, `tpl-${systemRandom.uuid()}`];
  await db
    .insertInto("discarded_templates")
    .values([orphaned, other].map((key) => ({ host_key: key, host_id: hostId, due_at: later })))
    .execute();
  await eventually("another one interrupts it", async () => (await statusOf(orphan)) === "interrupted");
  const dueInMs = async (key: string): Promise<number> => {
    const query = db.selectFrom("discarded_templates").select("due_at").where("host_key", "=", key);
    return (await query.executeTakeFirstOrThrow()).due_at.getTime() - Date.now();
  };
  await eventually("its files are removed within a minute", async () => (await dueInMs(orphaned)) <= 60_000);
  assert.ok((await dueInMs(other)) > 10 * 60_000, "others may still be made");
  const instance = systemRandom.uuid();
  await db
    .insertInto("control_planes")
    .values({ id: instance, last_seen: new Date(Date.now() + 60_000) })
    .execute();
  const own = await runBy(instance);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(await statusOf(own), "running", "its control plane may still live");
  const restarted = await platform.serve(undefined, instance);
  assert.equal(await statusOf(own), "interrupted");
  await restarted.close();
});

test("a control plane whose lease ran out changes nothing of the build any longer", async () => {
  const id = await lab.start("held-up", ["RUN echo a; sleep 600; echo b"]);
  await lab.reaches(id, "running");
  // Others have declared it interrupted while its control plane was held up.
  await db
    .updateTable("builds")
    .set({ status: "interrupted", completed_at: new Date() })
    .where("name", "=", "held-up")
    .execute();
  const before = (await lab.lines(id)).length;
  builder.release();
  await eventually("the builder has ended it", () => !builder.running.has(id));
  assert.equal((await lab.get(id))["status"], "interrupted");
  assert.equal((await lab.lines(id)).length, before);
  assert.equal(reasonOf(await lab.call("GET", "/v1/templates/held-up")), "template_not_found");
});

test("a build that its control plane has lost sight of is interrupted", async () => {
  const { owner } = await db
    .selectFrom("builds")
    .select("owner")
    .where("name", "=", "held-up")
    .executeTakeFirstOrThrow();
  const id = await runBy(String(owner));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(await statusOf(id), "running", "it may have been claimed just now");
  await db
    .updateTable("builds")
    .set({ started_at: new Date(Date.now() - 60_000) })
    .where("id", "=", id)
    .execute();
  await eventually("it is interrupted", async () => (await statusOf(id)) === "interrupted");
});

test("the team with the fewest running builds is next", async () => {
  const ids = [await lab.start("f1", ["RUN sleep 600"]), await lab.start("f2", ["RUN sleep 600"])];
  for (const id of ids) await lab.reaches(id, "running");
  const later = await lab.start("f3", ["RUN sleep 600"]);
  const other = await platform.person("patient");
  const theirs = await platform.call("POST", "/v1/builds", {
    token: other.token,
    body: { name: "theirs", recipe: ["RUN sleep 600"] },
  });
  await lab.call("POST", `/v1/builds/${ids[0]}/cancel`);
  await eventually("theirs runs", async () => {
    const path = `/v1/builds/${String(theirs.body["id"])}`;
    return (await platform.call("GET", path, { token: other.token })).body["status"] === "running";
  });
  assert.equal((await lab.get(later))["status"], "pending");
  for (const id of [...ids.slice(1), later]) await lab.call("POST", `/v1/builds/${id}/cancel`);
});

test("the capsule of a build that has ended is destroyed, whoever ran the build", async () => {
  const id = await lab.start("left", ["RUN echo a"]);
  await lab.reaches(id, "success");
  const made = await lab.call("POST", "/v1/capsules", { template: "minimal" });
  const capsule = String(made.body["id"]);
  assert.equal(made.status, 201);
  await db
    .updateTable("builds")
    .set({
      sandbox_id: parseId("capsule", capsule),
      completed_at: sql<Date>`now()`,
      owner: systemRandom.uuid(),
    })
    .where("name", "=", "left")
    .execute();
  const status = async () => (await lab.call("GET", `/v1/capsules/${capsule}`)).body["status"];
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(await status(), "running", "the control plane that ran it may be about to end it");
  await db
    .updateTable("builds")
    .set({ completed_at: sql<Date>`now() - interval '5 minutes'` })
    .where("name", "=", "left")
    .execute();
  await eventually("it is destroyed", async () => (await status()) === "stopped");
});
