import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseId } from "@wrenn/core";
import { sql } from "kysely";
import { joinTeam, listOf } from "./support/join-team.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

/* A right ends while something is made by it, on another control plane: nothing that was made remains. */

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);
const { db } = platform.database;
const second = await platform.serve(undefined);

const root = await platform.person("root");
await db.updateTable("users").set({ is_admin: true }).where("email", "=", root.email).execute();
const rootToken = async (): Promise<string> =>
  String((await call("POST", "/v1/auth/login", { body: root })).body["token"]);

let people = 0;
async function team(): Promise<{ readonly owner: Person; readonly guest: Person; readonly token: string }> {
  people += 1;
  const [owner, guest] = [await platform.person(`owner${people}`), await platform.person(`guest${people}`)];
  const byoc = { token: await rootToken(), body: { enabled: true } };
  assert.equal((await call("PUT", `/v1/admin/teams/${owner.teamId}/byoc`, byoc)).status, 204);
  return { owner, guest, token: await joinTeam(platform, owner, guest, "admin") };
}

/** Lets inserts into a table wait before their commit while the returned function has not been called. */
async function holdInserts(table: string): Promise<() => Promise<void>> {
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await sql`create function hold_insert() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(4711); return null; end $$`.execute(db);
  await sql`create trigger hold_insert after insert on ${sql.table(table)} for each row execute function hold_insert()`.execute(
    db,
  );
  const holding = db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(4711)`.execute(trx);
    held.resolve();
    await gate.promise;
  });
  await held.promise;
  return async () => {
    gate.resolve();
    await holding;
    await sql`drop function hold_insert cascade`.execute(db);
  };
}

const settled = async (answer: Promise<Answer>): Promise<Answer | undefined> =>
  await answer.catch(() => undefined);
const pause = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 300));

/** Makes something whose insert waits, ends the right at the other control plane, and lets both go on. */
async function race(table: string, make: () => Promise<Answer>, end: () => Promise<Answer>): Promise<void> {
  const release = await holdInserts(table);
  const making = settled(make());
  await pause();
  const ending = end();
  await pause();
  await release();
  const [made, ended] = await Promise.all([making, ending]);
  assert.equal(ended.status, 204, JSON.stringify(ended.body));
  assert.ok([201, 204, undefined].includes(made?.status), JSON.stringify(made?.body));
}

const demote = async (owner: Person, guest: Person): Promise<Answer> =>
  await call("PATCH", `/v1/teams/${owner.teamId}/members/${guest.userId}`, {
    token: owner.token,
    body: { role: "member" },
    url: second.url,
  });

const count = async (table: string, where: string): Promise<number> =>
  (
    await sql<{
      n: number;
    }>`select count(*)::int as n from ${sql.table(table)} where ${sql.raw(where)}`.execute(db)
  ).rows[0]?.n ?? -1;

test("an invitation that an admin makes while becoming a member does not remain", async () => {
  const { owner, guest, token } = await team();
  await race(
    "invitations",
    async () =>
      await call("POST", `/v1/teams/${owner.teamId}/invitations`, {
        token,
        body: { email: "friend@example.org", role: "admin" },
      }),
    async () => await demote(owner, guest),
  );
  assert.deepEqual(
    listOf(await call("GET", `/v1/teams/${owner.teamId}/invitations`, { token: owner.token })),
    [],
  );
});

test("registration tokens that an admin makes while becoming a member do not remain", async () => {
  const { owner, guest, token } = await team();
  const create = { token, body: { type: "byoc", team_id: owner.teamId } };
  const host = await call("POST", "/v1/hosts", create);
  assert.equal(host.status, 201, JSON.stringify(host.body));
  const { id } = host.body["host"] as { readonly id: string };
  for (const [path, options] of [
    ["/v1/hosts", create],
    [`/v1/hosts/${id}/token`, { token }],
    [`/v1/hosts/${id}/rotate`, { token }],
  ] as const) {
    await race(
      "host_tokens",
      async () => await call("POST", path, options),
      async () => await demote(owner, guest),
    );
    assert.equal(await count("host_tokens", "true"), 0, path);
    const promoted = { token: owner.token, body: { role: "admin" } };
    await call("PATCH", `/v1/teams/${owner.teamId}/members/${guest.userId}`, promoted);
  }
});

test("a registration token that an administrator of the platform makes while ceasing to be one does not remain", async () => {
  const [person, { owner }] = [await platform.person("short"), await team()];
  const right = async (admin: boolean): Promise<Answer> =>
    await call("PUT", `/v1/admin/users/${person.userId}/admin`, {
      token: await rootToken(),
      body: { admin },
      url: second.url,
    });
  for (const body of [{ type: "regular" }, { type: "byoc", team_id: owner.teamId }]) {
    assert.equal((await right(true)).status, 204);
    const token = String((await call("POST", "/v1/auth/login", { body: person })).body["token"]);
    await race(
      "host_tokens",
      async () => await call("POST", "/v1/hosts", { token, body }),
      async () => await right(false),
    );
    assert.equal(await count("host_tokens", "true"), 0, body.type);
  }
});

test("of two admins who take the role from each other at once, one keeps it", async () => {
  const { owner, guest, token } = await team();
  const other = await platform.person(`other${people}`);
  const otherToken = await joinTeam(platform, owner, other, "admin");
  const change = async (by: string, of: Person, url: string): Promise<Answer | undefined> =>
    await settled(
      call("PATCH", `/v1/teams/${owner.teamId}/members/${of.userId}`, {
        token: by,
        body: { role: "member" },
        url,
      }),
    );
  const answers = await Promise.all([
    change(token, other, platform.url),
    change(otherToken, guest, second.url),
  ]);
  // The request of the one who lost may have ended with the login.
  for (const answer of answers)
    assert.ok(answer === undefined || answer.status === 204 || reasonOf(answer) === "role_missing");
  assert.equal(
    await count("memberships", `role = 'admin' and team_id = '${parseId("team", owner.teamId)}'`),
    1,
  );
});
