import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { hostCertificateQueries, hostQueries } from "@wrenn/database";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { decodeProtectedHeader, SignJWT } from "jose";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

/* What was issued to a host, beside changes that happen at the same time or happened in an earlier release. */

let platform: TestPlatform;
let admin: Person;
before(async () => {
  platform = await TestPlatform.start();
  admin = await platform.person("admin");
  await platform.database.db
    .updateTable("users")
    .set({ is_admin: true })
    .where("id", "=", parseId("user", admin.userId))
    .execute();
});
after(() => platform[Symbol.asyncDispose]());

const asAdmin = async (method: string, path: string, options: object = {}): Promise<Answer> =>
  await platform.call(method, path, { token: admin.token, ...options });

const register = async (token: string, address: string): Promise<Answer> =>
  await platform.call("POST", "/v1/hosts/register", {
    body: { token, address, csr_pem: "csr", arch: "amd64", cpu_cores: 64, memory_mb: 500_000, disk_gb: 9000 },
  });

const refresh = async (refresh_token: string): Promise<Answer> =>
  await platform.call("POST", "/v1/hosts/auth/refresh", { body: { refresh_token, csr_pem: "csr" } });

const beat = async (id: string, token: string): Promise<Answer> =>
  await platform.call("POST", `/v1/hosts/${id}/heartbeat`, { headers: { "x-host-token": token } });

/** A host of the platform that is linked. */
async function join(address: string): Promise<{ id: string; token: string; refreshToken: string }> {
  const agent = new FakeHostAgent();
  platform.remote.set(address, agent);
  const { body } = await asAdmin("POST", "/v1/hosts", { body: { type: "regular" } });
  const registered = await register(String(body["registration_token"]), address);
  assert.equal(registered.status, 201, JSON.stringify(registered.body));
  const { id } = registered.body["host"] as { id: string };
  const { token, refresh_token: refreshToken } = registered.body;
  await eventually("it is linked", () => agent.observers > 0);
  return { id, token: String(token), refreshToken: String(refreshToken) };
}

test("credentials that are renewed while they are rotated end as well", async () => {
  const host = await join("10.1.1.4:8090");
  const hostId = parseId("host", host.id);
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  platform.certifying = async () => {
    reached.resolve();
    await gate.promise;
  };
  const renewing = refresh(host.refreshToken);
  await reached.promise;
  const rotating = asAdmin("POST", `/v1/hosts/${host.id}/rotate`);
  await Promise.race([rotating, new Promise((resolve) => setTimeout(resolve, 300))]);
  platform.certifying = async () => undefined;
  gate.resolve();
  const [renewed, rotated] = await Promise.all([renewing, rotating]);
  assert.equal(rotated.status, 201, JSON.stringify(rotated.body));
  const beaten = await beat(host.id, String(renewed.body["token"]));
  assert.equal(reasonOf(beaten), "host_token_invalid", `the renewal got ${renewed.status}`);
  assert.equal(reasonOf(await refresh(host.refreshToken)), "host_token_invalid");
  const { db } = platform.database;
  const accepted = await db
    .selectFrom("host_certificates")
    .select("fingerprint")
    .where("host_id", "=", hostId)
    .execute();
  assert.deepEqual(accepted, []);
  const again = await register(String(rotated.body["registration_token"]), "10.1.1.4:8090");
  assert.equal(again.status, 201, JSON.stringify(again.body));
  const refreshToken = String(again.body["refresh_token"]);
  // The other order: the renewal begins while a rotation is under way.
  const late = await db.transaction().execute(async (trx) => {
    await trx.updateTable("hosts").set({ cert_fingerprint: null }).where("id", "=", hostId).execute();
    const waiting = refresh(refreshToken);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await trx.deleteFrom("host_tokens").where("host_id", "=", hostId).execute();
    return { waiting };
  });
  assert.equal(reasonOf(await late.waiting), "host_token_invalid");
  await asAdmin("DELETE", `/v1/hosts/${host.id}?force=true`);
});

/** What the release before signed: without audience and certificate, with a key that asks for no audience. */
async function earlierToken(hostId: string, kid: string, claims: object = {}): Promise<string> {
  const { db } = platform.database;
  const { secret } = await db
    .selectFrom("signing_keys")
    .select("secret")
    .where("kid", "=", kid)
    .executeTakeFirstOrThrow();
  const seconds = Math.floor(platform.clock.now() / 1000);
  return await new SignJWT({ typ: "host", host_id: hostId, ...claims })
    .setProtectedHeader({ alg: "HS256", kid, typ: "JWT" })
    .setIssuer("wrenn")
    .setSubject(hostId)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 7 * 86_400)
    .sign(secret);
}

test("a host's token of the release before is good until it ends, is replaced, or is revoked", async () => {
  const { db } = platform.database;
  const host = await join("10.1.1.5:8090");
  const hostId = parseId("host", host.id);
  const created = new Date(platform.clock.now() - 3_600_000);
  const values = { kid: "earlier", secret: randomBytes(32), requires_audience: false, created_at: created };
  await db.insertInto("signing_keys").values(values).execute();
  const token = await earlierToken(host.id, "earlier");
  assert.equal((await beat(host.id, token)).status, 204);
  const { kid = "" } = decodeProtectedHeader(host.token);
  const aud = "wrenn:hosts";
  for (const claims of [{}, { aud }])
    assert.equal(
      reasonOf(await beat(host.id, await earlierToken(host.id, kid, claims))),
      "host_token_invalid",
      "a key of this release signs no such token",
    );
  assert.equal((await refresh(host.refreshToken)).status, 200);
  assert.equal((await beat(host.id, token)).status, 204, "for an hour after it was replaced");
  await db
    .updateTable("host_certificates")
    .set({ accepted_until: new Date(platform.clock.now()) })
    .where("host_id", "=", hostId)
    .where("accepted_until", "<=", new Date(platform.clock.now() + 3_600_000))
    .execute();
  assert.equal(reasonOf(await beat(host.id, token)), "host_token_invalid", "and not longer");
  const other = await join("10.1.1.6:8090");
  const revoked = await earlierToken(other.id, "earlier");
  const rotated = await asAdmin("POST", `/v1/hosts/${other.id}/rotate`);
  assert.equal(reasonOf(await beat(other.id, revoked)), "host_token_invalid");
  await register(String(rotated.body["registration_token"]), "10.1.1.6:8090");
  assert.equal(reasonOf(await beat(other.id, revoked)), "host_token_invalid", "also when it is back");
  for (const { id } of [host, other]) await asAdmin("DELETE", `/v1/hosts/${id}?force=true`);
});

test("a certificate that a control plane of the release before issued is accepted until it is replaced or revoked", async () => {
  const { db } = platform.database;
  const host = await join("10.1.1.7:8090");
  const hostId = parseId("host", host.id);
  const fingerprint = "ab".repeat(32);
  const now = new Date(platform.clock.now());
  const expires = new Date(platform.clock.now() + 86_400_000);
  const accepted = async (at = now): Promise<boolean> =>
    await hostCertificateQueries.isAccepted(db, hostId, fingerprint, at);
  assert.equal(await accepted(), false);
  await hostQueries.setHostCertificate(db, hostId, { fingerprint, expiresAt: expires });
  assert.equal(await accepted(), true);
  assert.equal(await accepted(expires), false);
  assert.equal((await refresh(host.refreshToken)).status, 200);
  assert.equal(await accepted(), true, "for an hour after it was replaced");
  assert.equal(await accepted(new Date(platform.clock.now() + 3_600_000)), false);
  await hostQueries.setHostCertificate(db, hostId, { fingerprint: "cd".repeat(32), expiresAt: expires });
  await asAdmin("POST", `/v1/hosts/${host.id}/rotate`);
  assert.equal(await hostCertificateQueries.isAccepted(db, hostId, "cd".repeat(32), now), false);
  await asAdmin("DELETE", `/v1/hosts/${host.id}?force=true`);
});
