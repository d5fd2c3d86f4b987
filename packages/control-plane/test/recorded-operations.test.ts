import assert from "node:assert/strict";
import { after, mock, test } from "node:test";
import { sql } from "kysely";
import { parseId, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { operationQueries } from "@wrenn/database";
import { Operations } from "../src/capsules/operations.ts";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key, database } = platform;

async function create(): Promise<string> {
  const answer = await platform.call("POST", "/v1/capsules", { key, body: {} });
  assert.equal(answer.status, 201);
  return String(answer.body["id"]);
}

const operationsOf = async (id: string): Promise<readonly unknown[]> => {
  const rows = await database.db
    .selectFrom("operations")
    .select(["kind", "state", "problem"])
    .where("sandbox_id", "=", parseId("capsule", id))
    .orderBy("created_at")
    .execute();
  return rows.map(({ kind, state, problem }) => [kind, state, problem]);
};

await sql`create table seen (what text, xid xid8)`.execute(database.db);
await sql`create function see() returns trigger language plpgsql as $$ begin
  insert into seen values (tg_table_name, pg_current_xact_id());
  return null;
end $$`.execute(database.db);
for (const table of ["sandboxes", "operations"])
  await sql`create trigger see after update on ${sql.table(table)} for each row execute function see()`.execute(
    database.db,
  );

/** The tables that were changed together with operations since the last call: those of each transaction. */
async function changedTogether(): Promise<readonly unknown[]> {
  const { rows } = await sql<{ tables: string }>`
    with taken as (delete from seen returning *)
    select string_agg(what, ' ' order by what) as tables from taken group by xid order by xid`.execute(
    database.db,
  );
  return rows.map(({ tables }) => tables).filter((tables) => tables.includes("operations"));
}

test("a pause, resume and destroy record the new state and their success in one statement", async () => {
  const id = await create();
  const call = (method: "POST" | "DELETE", path: string) =>
    platform.call(method, `/v1/capsules/${id}${path}`, { key });
  for (const [method, path, status] of [
    ["POST", "/pause", 200],
    ["POST", "/resume", 200],
    ["DELETE", "", 204],
  ] as const) {
    await changedTogether();
    assert.equal((await call(method, path)).status, status);
    assert.deepEqual(await changedTogether(), ["operations sandboxes"], `${method} ${path}`);
  }
  assert.deepEqual(await operationsOf(id), [
    ["create", "succeeded", null],
    ["pause", "succeeded", null],
    ["resume", "succeeded", null],
    ["destroy", "succeeded", null],
  ]);
});

test("a destroy of a capsule that has ended succeeds, and an operation whose capsule ended meanwhile fails", async () => {
  const id = await create();
  await platform.call("DELETE", `/v1/capsules/${id}`, { key });
  await platform.call("DELETE", `/v1/capsules/${id}`, { key });
  assert.deepEqual((await operationsOf(id)).slice(1), [
    ["destroy", "succeeded", null],
    ["destroy", "succeeded", null],
  ]);
  const other = await create();
  const { host } = platform;
  const pause = host.pauseCapsule.bind(host);
  mock.method(host, "pauseCapsule", async (...all: Parameters<typeof pause>) => {
    const status = await pause(...all);
    await database.db
      .updateTable("sandboxes")
      .set({ status: "stopped" })
      .where("id", "=", parseId("capsule", other))
      .execute();
    return status;
  });
  const answer = await platform.call("POST", `/v1/capsules/${other}/pause`, { key });
  mock.restoreAll();
  assert.equal(answer.status, 404);
  const [, paused] = (await operationsOf(other)) as readonly (readonly [string, string, string])[];
  assert.deepEqual(paused?.slice(0, 2), ["pause", "failed"]);
});

test("an operation that begins during a sweep is not taken for a forgotten one", async () => {
  const { db } = database;
  const capsule = parseId("capsule", await create());
  const owner = systemRandom.uuid();
  await db
    .insertInto("control_planes")
    .values({ id: owner, last_seen: new Date(Date.now() + 3_600_000) })
    .execute();
  const operations = new Operations({
    database,
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
    instanceId: owner,
    onTimes: () => {},
  });
  const lost = systemRandom.uuid();
  await operationQueries.insertOperations(db, [{ id: lost, capsuleId: capsule, kind: "pause", owner }]);
  // The order of the statements is a matter of chance.
  for (let round = 0; round < 30; round++)
    await Promise.all([
      operations.run(capsule, "pause", async () => await Promise.resolve()),
      operations.sweep(),
      operations.run(capsule, "resume", async () => await Promise.resolve()),
    ]);
  const rows = await db
    .selectFrom("operations")
    .select(["id", "state", "problem"])
    .where("owner", "=", owner)
    .execute();
  assert.equal(rows.length, 61);
  const failed = rows.filter(({ state }) => state !== "succeeded");
  assert.deepEqual(failed, [{ id: lost, state: "failed", problem: "its end could not be written down" }]);
});
