import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Person } from "./support/test-platform.ts";

/* On both databases: requests that come at once share what a team may have. */

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

async function limitTo(who: Person, capsules: number): Promise<void> {
  const teams = await platform.database.db
    .selectFrom("users")
    .innerJoin("memberships", "memberships.user_id", "users.id")
    .select("memberships.team_id")
    .where("users.email", "=", who.email)
    .execute();
  for (const { team_id: id } of teams)
    await platform.database.db
      .updateTable("teams")
      .set({ max_capsules: capsules, max_vcpus: 1000, max_memory_mb: 1_000_000 })
      .where("id", "=", id)
      .execute();
}

const create = (who: Person, headers: Record<string, string> = {}, body: object = {}) =>
  platform.call("POST", "/v1/capsules", { token: who.token, body, headers });

test("of creates that come at once exactly as many are made as the quota of each team has room for", async () => {
  const [ada, bob] = [await platform.person("ada"), await platform.person("bob")];
  await limitTo(ada, 7);
  await limitTo(bob, 3);
  const answers = await Promise.all(
    Array.from({ length: 40 }, async (_, at) => {
      const who = at % 2 === 0 ? ada : bob;
      return { who, answer: await create(who) };
    }),
  );
  for (const [who, limit] of [
    [ada, 7],
    [bob, 3],
  ] as const) {
    const own = answers.filter((one) => one.who === who).map(({ answer }) => answer);
    const refused = own.filter(({ status }) => status !== 201);
    assert.deepEqual([...new Set(refused.map(reasonOf))], ["quota_exceeded"]);
    assert.equal(own.length - refused.length, limit);
    const { body } = await platform.call("GET", "/v1/capsules", { token: who.token });
    assert.equal(Object.keys(body).length, limit);
  }
});

test("of creates with one key that come at once one is made; another request with it is refused", async () => {
  const eve = await platform.person("eve");
  const key = { "idempotency-key": "the-same" };
  const answers = await Promise.all(Array.from({ length: 8 }, () => create(eve, key)));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
  assert.equal(new Set(answers.map(({ body }) => body["id"])).size, 1);
  assert.equal(reasonOf(await create(eve, key, { memory_mb: 256 })), "idempotency_conflict");
});

test("each create of a group has its own actor in the events and the audit log", async () => {
  const people = await Promise.all(["one", "two", "three"].map((name) => platform.person(name)));
  await Promise.all(people.map((who) => create(who)));
  for (const who of people) {
    const events = await platform.database.db
      .selectFrom("events")
      .select("actor")
      .where("type", "=", "capsule.created")
      .execute();
    assert.equal(events.filter(({ actor }) => actor.id === who.userId).length, 1);
    const { body } = await platform.call("GET", "/v1/audit-logs", { token: who.token });
    const [entry] = (body["items"] ?? body) as unknown as readonly { action: string; actor_id: string }[];
    assert.equal(entry?.actor_id, who.userId, JSON.stringify(body));
  }
});
