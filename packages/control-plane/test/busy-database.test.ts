import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { sql } from "kysely";
import { kinds } from "./support/long-connections.ts";
import { TestPlatform } from "./support/test-platform.ts";
import type { Person } from "./support/test-platform.ts";

/* One team keeps the database busy: the others keep what they opened, and revocations count in time. */

const PROMISED_MS = 10_000;
const HELD_MS = 12_000;
/** More than all connections of the server to its database. */
const MANY = 40;

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);
const [attacker, victim] = [await platform.person("attacker"), await platform.person("victim")];

/** A key of the victim's team. */
async function newKey(): Promise<{ readonly id: string; readonly key: string }> {
  const { status, body } = await call("POST", "/v1/api-keys", { token: victim.token, body: {} });
  assert.equal(status, 201, JSON.stringify(body));
  return { id: String(body["id"]), key: String(body["key"]) };
}

async function capsuleOf(person: Person): Promise<string> {
  const { status, body } = await call("POST", "/v1/capsules", { token: person.token, body: {} });
  assert.equal(status, 201, JSON.stringify(body));
  return String(body["id"]);
}

/** Locks the row of a team, as a transaction that takes long does, until the returned function is called. */
async function lockTeam({ teamId }: Person): Promise<() => Promise<void>> {
  const [locked, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ended = platform.database.db.transaction().execute(async (trx) => {
    await sql`select from teams where id = ${parseId("team", teamId)} for no key update`.execute(trx);
    locked.resolve();
    await released.promise;
  });
  await locked.promise;
  return async () => {
    released.resolve();
    await ended;
  };
}

test("with every connection held for 12 s, open connections stay, and a revoked key ends what it opened", async () => {
  const capsule = await capsuleOf(victim);
  const [kept, revoked] = [await newKey(), await newKey()];
  const { open } = kinds.find(({ name }) => name === "terminal") ?? assert.fail();
  const [stays, ends] = [
    await open({ url: platform.url, capsule, headers: { "x-api-key": kept.key } }),
    await open({ url: platform.url, capsule, headers: { "x-api-key": revoked.key } }),
  ];
  const release = await lockTeam(attacker);
  const { db, accessDb } = platform.database;
  const began = performance.now();
  const waiting = Array.from({ length: MANY }, async () => {
    await sql`select from teams where id = ${parseId("team", attacker.teamId)} for no key update`.execute(db);
  });
  try {
    // By a connection that is left, as another control plane has it.
    await sql`delete from api_keys where id = ${parseId("apiKey", revoked.id)}`.execute(accessDb);
    await eventually("the revoked key's terminal ends", () => ends.ending(), { timeoutMs: PROMISED_MS });
    assert.match(ends.ending() ?? "", /access_ended/);
    await new Promise((resolve) => setTimeout(resolve, HELD_MS - (performance.now() - began)));
    assert.equal(stays.ending(), undefined);
  } finally {
    await release();
    await Promise.all(waiting);
    stays.close();
    ends.close();
  }
});

test("operations of one team that wait for its lock leave the connections to the others", async () => {
  const [mine, theirs] = [await capsuleOf(attacker), await capsuleOf(victim)];
  const release = await lockTeam(attacker);
  const { token } = attacker;
  const path = `/v1/capsules/${mine}`;
  const waiting = Array.from({ length: MANY }, () => [
    call("POST", `${path}/fork`, { token, body: { count: 1 } }),
    call("POST", `${path}/checkpoints`, { token, body: {} }),
    call("POST", `${path}/ports/80/links`, { token, body: {} }),
    call("POST", `/v1/teams/${attacker.teamId}/invitations`, {
      token,
      body: { email: "friend@example.org", role: "member" },
    }),
    call("POST", "/v1/api-keys", { token, body: {} }),
  ]).flat();
  const ended = Promise.allSettled(waiting);
  try {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const began = performance.now();
    for (const read of ["/v1/capsules", `/v1/capsules/${theirs}`, "/v1/api-keys"])
      assert.equal((await call("GET", read, { token: victim.token })).status, 200);
    await capsuleOf(victim);
    // The lock is held until the end of the test: who waits for it does so for longer.
    assert.ok(performance.now() - began < 20_000, "the others wait");
  } finally {
    await release();
    await ended;
  }
});
