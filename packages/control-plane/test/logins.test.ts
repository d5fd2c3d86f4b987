import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DAY_MS } from "@wrenn/core";
import { auditQueries, upkeepQueries } from "@wrenn/database";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

test("log-ins, failed ones and log-outs stand in the audit log with where they came from", async () => {
  const { email, password, userId } = await platform.person("lola");
  const headers = { "user-agent": "a".repeat(500) };
  await call("POST", "/v1/auth/login", { body: { email, password: "not the password" }, headers });
  const unknown = { email: "nobody@example.org", password };
  await call("POST", "/v1/auth/login", { body: unknown, headers });
  const first = await call("POST", "/v1/auth/login", { body: { email, password }, headers });
  await call("POST", "/v1/auth/logout", { token: String(first.body["token"]), headers });
  const token = String((await call("POST", "/v1/auth/login", { body: { email, password } })).body["token"]);
  const { body } = await call("GET", "/v1/audit-logs?resource_type=user", { token });
  const [last, ...items] = body["items"] as Record<string, unknown>[];
  assert.equal(last?.["action"], "login");
  assert.deepEqual(
    items.map((item) => [item["action"], item["actor_type"], item["status"], item["resource_id"]]),
    [
      ["logout", "user", "success", userId],
      ["login", "user", "success", userId],
      ["login_failed", "system", "warning", userId],
    ],
  );
  for (const item of items)
    assert.deepEqual(item["metadata"], { address: "127.0.0.1", user_agent: "a".repeat(200) });
  const elsewhere = await platform.database.db
    .selectFrom("audit_log")
    .select(["resource_id", "metadata"])
    .where("team_id", "=", "00000000-0000-0000-0000-000000000000")
    .where("action", "=", "login_failed")
    .execute();
  assert.deepEqual(
    elsewhere.map((row) => [row.resource_id, row.metadata["address"]]),
    [[null, "127.0.0.1"]],
  );
  assert.ok(!JSON.stringify(body).includes("not the password"));
});

test("what is over is dropped, and what is in use stays", async () => {
  const { db } = platform.database;
  const { email, password, token } = await platform.person("pru");
  const gone = await call("POST", "/v1/auth/login", { body: { email, password } });
  await call("POST", "/v1/auth/logout", { token: String(gone.body["token"]) });
  await call("POST", "/v1/me/password/reset", { body: { email } });
  const counts = async (): Promise<readonly number[]> => {
    const sessions = await db
      .selectFrom("sessions")
      .innerJoin("users", "users.id", "sessions.user_id")
      .select("sessions.id")
      .where("users.email", "=", email)
      .execute();
    const links = db.selectFrom("one_time_tokens").select("hash").where("purpose", "=", "password_reset");
    const ids = sessions.map(({ id }) => id);
    const tokens = await db
      .selectFrom("refresh_tokens")
      .select("hash")
      .where("session_id", "in", ids)
      .execute();
    return [sessions.length, tokens.length, (await links.execute()).length];
  };
  const now = platform.clock.now();
  await upkeepQueries.pruneLogins(db, new Date(now), new Date(now - DAY_MS));
  assert.deepEqual(await counts(), [2, 2, 1]);
  const later = new Date(now + 3_600_000);
  await upkeepQueries.pruneLogins(db, later, later);
  assert.deepEqual(await counts(), [1, 1, 0]);
  assert.equal((await call("GET", "/v1/me", { token })).status, 200);

  const entries = async (): Promise<number> =>
    (await db.selectFrom("audit_log").select("id").execute()).length;
  const before = await entries();
  await auditQueries.deleteAuditBefore(db, new Date(now - DAY_MS));
  assert.equal(await entries(), before);
  await auditQueries.deleteAuditBefore(db, later);
  assert.deepEqual([before > 0, await entries()], [true, 0]);
});
