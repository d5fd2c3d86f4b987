import assert from "node:assert/strict";
import { after, test } from "node:test";
import { apiKeyQueries, capsuleListQueries, capsuleQueries, hostQueries, teamQueries } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";

const files = await TestDatabase.create();
const database = await files.open();
after(async () => {
  await database.close();
  await files[Symbol.asyncDispose]();
});

const team = "11111111-1111-4111-8111-111111111111";
const hostId = "33333333-3333-4333-8333-333333333333";
const foreign = "22222222-2222-4222-8222-222222222222";
await teamQueries.insertTeam(database.db, { id: team, name: "One", slug: "aaaaaa-aaaaaa" });
await teamQueries.insertTeam(database.db, { id: foreign, name: "Two", slug: "bbbbbb-bbbbbb" });
await hostQueries.putLocalHost(database.db, hostId, {
  arch: "amd64",
  cpuCores: 2,
  memoryMib: 4096,
  diskGb: 100,
});

function newCapsule(id: string, teamId = team): Parameters<typeof capsuleQueries.insertCapsule>[1] {
  return { id, teamId, hostId, template: "minimal", vcpus: 1, memoryMib: 512, diskMib: 5120, timeoutSec: 0 };
}

test("a key is found by its hash", async () => {
  const hash = "a".repeat(64);
  await apiKeyQueries.insertApiKey(database.db, {
    id: crypto.randomUUID(),
    teamId: team,
    name: "k",
    hash,
    prefix: "wrn_aaaaaa",
  });
  assert.equal((await apiKeyQueries.findApiKey(database.db, hash, new Date()))?.teamId, team);
  assert.equal(await apiKeyQueries.findApiKey(database.db, "b".repeat(64), new Date()), undefined);
});

test("capsules are seen by their own team only, newest first, without ended ones", async () => {
  const ids = Array.from({ length: 3 }, () => crypto.randomUUID());
  for (const id of ids) await capsuleQueries.insertCapsule(database.db, newCapsule(id));
  const [first = ""] = ids;
  assert.equal(await capsuleQueries.findCapsule(database.db, foreign, first), undefined);
  assert.deepEqual(
    (await capsuleListQueries.listCapsules(database.db, team)).map((row) => row.id),
    ids.toReversed(),
  );
  await capsuleQueries.changeCapsule(
    database.db,
    first,
    ["pending"],
    { status: "error", problem: "why" },
    new Date(),
  );
  assert.deepEqual(
    (await capsuleListQueries.listCapsules(database.db, team)).map((row) => row.id),
    ids.slice(1).toReversed(),
  );
  assert.equal((await capsuleQueries.findCapsule(database.db, team, first))?.problem, "why");
});

test("of many that change a state at once exactly one wins", async () => {
  const id = crypto.randomUUID();
  await capsuleQueries.insertCapsule(database.db, newCapsule(id));
  const results = await Promise.all(
    Array.from({ length: 20 }, () =>
      capsuleQueries.changeCapsule(database.db, id, ["pending"], { status: "running" }, new Date()),
    ),
  );
  assert.equal(results.filter((row) => row !== undefined).length, 1);
  assert.equal((await capsuleQueries.findCapsule(database.db, team, id))?.version, 2);
});

test("a status outside the contract's vocabulary is refused by the database itself", async () => {
  const id = crypto.randomUUID();
  await capsuleQueries.insertCapsule(database.db, newCapsule(id));
  await assert.rejects(
    capsuleQueries.changeCapsule(database.db, id, ["pending"], { status: "exploded" as never }, new Date()),
    /check constraint/,
  );
});

test("what was written is there after a restart", async () => {
  await using kept = await TestDatabase.create();
  const first = await kept.open();
  await teamQueries.insertTeam(first.db, { id: team, name: "One", slug: "aaaaaa-aaaaaa" });
  await first.close();
  const second = await kept.open();
  assert.equal((await second.db.selectFrom("teams").select("name").executeTakeFirstOrThrow()).name, "One");
  await second.close();
});
