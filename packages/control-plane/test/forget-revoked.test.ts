import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseId } from "@wrenn/core";
import { sql } from "kysely";
import { joinTeam } from "./support/join-team.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* A revocation lets what it names be looked up again, and nothing of others: that stays remembered for its two seconds. */

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);
const { db } = platform.database;
const [victim, noisy, guest] = [
  await platform.person("victim"),
  await platform.person("noisy"),
  await platform.person("guest"),
];

async function keyOf(token: string): Promise<{ readonly id: string; readonly key: string }> {
  const { status, body } = await call("POST", "/v1/api-keys", { token, body: {} });
  assert.equal(status, 201, JSON.stringify(body));
  return { id: String(body["id"]), key: String(body["key"]) };
}

/** What was remembered before `revoke` is remembered after it: its row is away, without notice, and it is let in. */
async function assertStaysKnown(
  table: "api_keys" | "sessions",
  by: { readonly key: string } | { readonly token: string },
  revoke: () => Promise<void>,
): Promise<void> {
  const known = async (): Promise<number> => (await call("GET", "/v1/capsules", by)).status;
  const teamId = parseId("team", victim.teamId);
  const away = sql`update ${sql.table(table)} set expires_at = '2020-01-01' where team_id = ${teamId}`;
  // What was remembered at the last call must not be over.
  platform.clock.advance(3000);
  await sql`alter table ${sql.table(table)} disable trigger user`.execute(db);
  try {
    assert.equal(await known(), 200);
    await away.execute(db);
    await revoke();
    assert.equal(await known(), 200, "it was looked up again");
    platform.clock.advance(3000);
    assert.equal(await known(), 401);
  } finally {
    const until = table === "sessions" ? sql`now() + interval '1 day'` : sql`null`;
    await sql`update ${sql.table(table)} set expires_at = ${until} where team_id = ${teamId}`.execute(db);
    await sql`alter table ${sql.table(table)} enable trigger user`.execute(db);
    platform.clock.advance(10_000);
  }
}

test("an API key stays known while another team revokes keys, and changes its members", async () => {
  const { key } = await keyOf(victim.token);
  const others = await keyOf(noisy.token);
  const guestToken = await joinTeam(platform, noisy, guest, "member");
  await assertStaysKnown("api_keys", { key }, async () => {
    assert.equal((await call("DELETE", `/v1/api-keys/${others.id}`, { token: noisy.token })).status, 204);
    const left = await call("POST", `/v1/teams/${noisy.teamId}/leave`, { token: guestToken });
    assert.equal(left.status, 204);
  });
});

test("a login stays known while others log out, and change the members of their team", async () => {
  const guestToken = await joinTeam(platform, noisy, guest, "member");
  await assertStaysKnown("sessions", { token: victim.token }, async () => {
    const left = await call("POST", `/v1/teams/${noisy.teamId}/leave`, { token: guestToken });
    assert.equal(left.status, 204);
    assert.equal((await call("POST", "/v1/auth/logout", { token: noisy.token })).status, 204);
  });
});
