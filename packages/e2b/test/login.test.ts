import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, before, test } from "node:test";
import { formatId, parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { memberQueries, sessionQueries } from "@wrenn/database";
import { E2bLab } from "./support/e2b-lab.ts";

/* Logins of E2B's command line: keys of teams, renewal and revocation. tests/e2e/e2b-login.test.ts has the program itself. */

const FORM = "application/x-www-form-urlencoded";
const CLIENT = "e2b-cli";

let lab: E2bLab;
/** A member of the lab's team. */
let mia: Readonly<Record<string, string>>;
before(async () => {
  lab = await E2bLab.start();
  mia = await lab.person("mia", "member");
});
after(async () => await lab[Symbol.asyncDispose]());

interface Login {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly authorization: { readonly authorization: string };
}

interface ListedTeam {
  readonly teamID: string;
  readonly name: string;
  readonly apiKey: string;
  readonly isDefault: boolean;
}

/** Approves a login of the command line for a person. */
async function logIn(person: Readonly<Record<string, string>>): Promise<Login> {
  const fields = { next: "http://localhost:4711", version: "2.19.0" };
  const { status, body } = await lab.call("POST", "/v1/auth/program/approve", fields, person);
  assert.equal(status, 200, JSON.stringify(body));
  const { accessToken = "", refreshToken = "" } = Object.fromEntries(
    new URL(String(body["redirect_to"])).searchParams,
  );
  return { accessToken, refreshToken, authorization: { authorization: `Bearer ${accessToken}` } };
}

async function teamsOf(headers: Readonly<Record<string, string>>): Promise<readonly ListedTeam[]> {
  const { status, body } = await lab.call("GET", "/teams", undefined, headers);
  assert.equal(status, 200, JSON.stringify(body));
  return body as unknown as readonly ListedTeam[];
}

/** A request to an OAuth endpoint. */
async function oauth(
  endpoint: "token" | "revoke",
  fields: Readonly<Record<string, string>> | string,
  type = FORM,
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: Record<string, unknown> }> {
  const answer = await fetch(`${lab.url}/e2b-oauth/${endpoint}`, {
    method: "POST",
    headers: { "content-type": type },
    body: typeof fields === "string" ? fields : new URLSearchParams(fields).toString(),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    body: (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>,
  };
}

const refresh = async (token: string, more: Readonly<Record<string, string>> = {}) =>
  await oauth("token", { grant_type: "refresh_token", refresh_token: token, client_id: CLIENT, ...more });
const revoke = async (token: string, more: Readonly<Record<string, string>> = {}) =>
  await oauth("revoke", { token, token_type_hint: "refresh_token", client_id: CLIENT, ...more });
const statusOf = async (headers: Readonly<Record<string, string>>): Promise<number> =>
  (await lab.call("GET", "/v2/sandboxes", undefined, headers)).status;
/** Keys end by a trigger; the server learns of it by a notification. */
const isRefused = async (key: string): Promise<void> =>
  void (await eventually("the key is refused", async () => (await statusOf({ "x-api-key": key })) === 401));

test("a login lists the teams of its person, each with a key that works and stays the same", async () => {
  const olga = await lab.person("olga", "owner");
  const login = await logIn(olga);
  const listed = await teamsOf(login.authorization);
  assert.equal(listed.length, 2, "the team of the lab and her own");
  assert.deepEqual(
    listed.filter(({ isDefault }) => isDefault).length,
    1,
    "the team that the approving login acts in",
  );
  for (const { apiKey } of listed) {
    assert.match(apiKey, /^e2b_[0-9a-f]{40}$/);
    assert.equal(await statusOf({ "x-api-key": apiKey }), 200);
  }
  assert.equal(new Set(listed.map(({ apiKey }) => apiKey)).size, 2);
  const again = await Promise.all([1, 2, 3].map(async () => await teamsOf(login.authorization)));
  for (const other of again) assert.deepEqual(other, listed);
  const { body: keys } = await lab.call("GET", "/v1/api-keys", undefined, olga);
  const named = (keys as unknown as { name: string; expires_at?: string; key?: string }[]).filter(
    ({ name }) => name === "E2B CLI 2.19.0",
  );
  assert.equal(named.length, 1, "one key for a login and team, however often it is listed");
  assert.match(String(named[0]?.expires_at), /^\d{4}-/, "it ends with the login at the latest");
  assert.notDeepEqual(await teamsOf((await logIn(olga)).authorization), listed, "another login has others");
  await lab.restart();
  assert.deepEqual(await teamsOf(login.authorization), listed, "also after a restart");
});

test("concurrent first lists make one key for each team", async () => {
  const login = await logIn(mia);
  const lists = await Promise.all(Array.from({ length: 6 }, async () => await teamsOf(login.authorization)));
  for (const list of lists) assert.deepEqual(list, lists[0]);
});

test("the login counts where the environment of the program has a key as well", async () => {
  const login = await logIn(mia);
  const listed = await teamsOf({ ...login.authorization, "x-api-key": lab.apiKey });
  assert.deepEqual(listed, await teamsOf(login.authorization));
  const wrong = await lab.call("GET", "/teams", undefined, {
    authorization: "Bearer wrong",
    "x-api-key": lab.apiKey,
  });
  assert.deepEqual([wrong.status, wrong.body["code"]], [401, 401]);
});

test("other logins get no keys by listing teams, and a key lists its own team", async () => {
  assert.deepEqual(new Set((await teamsOf(mia)).map(({ apiKey }) => apiKey)), new Set(["e2b_***"]));
  const [own, ...others] = await teamsOf({ "x-api-key": lab.apiKey });
  assert.deepEqual([own?.apiKey, own?.isDefault, others], ["e2b_***", true, []]);
});

test("a key that its person revokes is gone for good, and the login gets another one", async () => {
  const login = await logIn(mia);
  const first = (await teamsOf(login.authorization)).find(({ isDefault }) => isDefault);
  const { body } = await lab.call("GET", "/v1/api-keys", undefined, mia);
  const [row] = body as unknown as { id: string }[];
  await lab.call("DELETE", `/v1/api-keys/${row?.id}`, undefined, mia);
  await isRefused(String(first?.apiKey));
  const second = (await teamsOf(login.authorization)).find(({ isDefault }) => isDefault);
  assert.notEqual(second?.apiKey, first?.apiKey);
  assert.equal(await statusOf({ "x-api-key": String(first?.apiKey) }), 401);
  assert.equal(await statusOf({ "x-api-key": String(second?.apiKey) }), 200);
});

test("a renewal gives new tokens of the same login; the keys stay", async () => {
  const login = await logIn(mia);
  const listed = await teamsOf(login.authorization);
  const renewed = await refresh(login.refreshToken, { scope: "ignored" });
  assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
  const { access_token: token, refresh_token: next, token_type: type, expires_in: sec } = renewed.body;
  assert.deepEqual([type, sec, renewed.headers.get("cache-control")], ["Bearer", 900, "no-store"]);
  assert.notEqual(next, login.refreshToken);
  assert.deepEqual(await teamsOf({ authorization: `Bearer ${String(token)}` }), listed);
});

test("a refresh token that is used twice ends the login and its keys", async () => {
  const login = await logIn(mia);
  const [team] = await teamsOf(login.authorization);
  const renewed = await refresh(login.refreshToken);
  const early = await refresh(login.refreshToken);
  assert.deepEqual([early.status, early.body["error"]], [400, "invalid_grant"]);
  assert.equal(
    await statusOf({ "x-api-key": String(team?.apiKey) }),
    200,
    "two renewals at once are one client",
  );
  await lab.database.db
    .updateTable("refresh_tokens")
    .set({ used_at: new Date(Date.now() - 60_000) })
    .where("used_at", "is not", null)
    .execute();
  assert.equal((await refresh(login.refreshToken)).body["error"], "invalid_grant");
  assert.equal((await refresh(String(renewed.body["refresh_token"]))).body["error"], "invalid_grant");
  await isRefused(String(team?.apiKey));
});

test("a revocation ends the login and its keys, by either token, and says nothing of tokens", async () => {
  const tom = await lab.person("tom", "member");
  for (const kind of ["refreshToken", "accessToken"] as const) {
    const login = await logIn(tom);
    const [team] = await teamsOf(login.authorization);
    const revoked = await revoke(login[kind]);
    assert.deepEqual([revoked.status, revoked.body], [200, {}]);
    assert.equal((await lab.call("GET", "/teams", undefined, login.authorization)).status, 401);
    await isRefused(String(team?.apiKey));
    assert.equal((await refresh(login.refreshToken)).body["error"], "invalid_grant");
    assert.equal((await revoke(login[kind])).status, 200, "again is fine");
    const { body } = await lab.call("GET", "/v1/api-keys", undefined, tom);
    assert.deepEqual(body, [], "no key is left in the list");
  }
  for (const token of ["0".repeat(64), "no token", "a.b.c"]) assert.equal((await revoke(token)).status, 200);
  const out = lab.database.db.selectFrom("audit_log").select("id").where("action", "=", "logout");
  assert.equal((await out.execute()).length, 2, "each is recorded once");
});

test("tokens of other logins are neither renewed nor revoked by the program's endpoints", async () => {
  const uma = await lab.person("uma", "member");
  const access = String(uma["authorization"]).slice("Bearer ".length);
  assert.equal((await revoke(access)).status, 200);
  assert.equal(await statusOf(uma), 200, "a browser's login goes on");
  const answer = await fetch(`${lab.url}/v1/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: "uma@example.org", password: "password of uma" }),
  });
  const [, cookie = ""] = /wrenn_refresh=([0-9a-f]{64})/.exec(answer.headers.get("set-cookie") ?? "") ?? [];
  assert.match(cookie, /./);
  assert.equal((await refresh(cookie)).body["error"], "invalid_grant");
  const used = lab.database.db.selectFrom("refresh_tokens").select("used_at");
  const row = await used.where("hash", "=", hash("sha256", cookie, "hex")).executeTakeFirst();
  assert.equal(row?.used_at, null, "and its token is still unused");
});

test("what is wrong with a request is answered as OAuth says", async () => {
  const token = "0".repeat(64);
  const good = `grant_type=refresh_token&refresh_token=${token}&client_id=${CLIENT}`;
  const cases: readonly (readonly ["token" | "revoke", string, string, number, string])[] = [
    ["token", good, FORM, 400, "invalid_grant"],
    ["token", good, `${FORM}; charset=utf-8`, 400, "invalid_grant"],
    ["token", JSON.stringify({ grant_type: "refresh_token" }), "application/json", 415, "invalid_request"],
    ["token", good, "text/plain", 415, "invalid_request"],
    ["token", good, "nonsense", 415, "invalid_request"],
    ["token", "", FORM, 400, "invalid_request"],
    ["token", `refresh_token=${token}&client_id=${CLIENT}`, FORM, 400, "invalid_request"],
    ["token", `grant_type=refresh_token&client_id=${CLIENT}`, FORM, 400, "invalid_request"],
    ["token", `grant_type=refresh_token&refresh_token=${token}`, FORM, 400, "invalid_request"],
    ["token", `${good}&client_id=`, FORM, 400, "invalid_request"],
    ["token", `${good}&refresh_token=${token}`, FORM, 400, "invalid_request"],
    ["token", good.replace(CLIENT, "other"), FORM, 401, "invalid_client"],
    ["token", good.replace("=refresh_token&", "=password&"), FORM, 400, "unsupported_grant_type"],
    ["token", `${good}&more=${"a".repeat(20_000)}`, FORM, 413, "invalid_request"],
    ["revoke", `client_id=${CLIENT}`, FORM, 400, "invalid_request"],
    ["revoke", `token=${token}`, FORM, 400, "invalid_request"],
    ["revoke", `token=${token}&client_id=other`, FORM, 401, "invalid_client"],
    ["revoke", JSON.stringify({ token }), "application/json", 415, "invalid_request"],
  ];
  for (const [endpoint, form, type, status, error] of cases) {
    const answer = await oauth(endpoint, form, type);
    const about = `${endpoint} ${form.slice(0, 120)} as ${type}: ${JSON.stringify(answer.body)}`;
    assert.deepEqual([answer.status, answer.body["error"]], [status, error], about);
    assert.equal(typeof answer.body["error_description"], "string", about);
  }
  assert.equal((await fetch(`${lab.url}/e2b-oauth/token`)).status, 404, "other methods are no routes");
});

test("a person who leaves a team loses its key, and no longer sees the team", async () => {
  const vera = await lab.person("vera", "member");
  const own = await lab.call("POST", "/v1/teams", { name: "Other team" }, vera);
  const login = await logIn(vera);
  const before = await teamsOf(login.authorization);
  const other = before.find(({ teamID }) => teamID === own.body["id"]);
  assert.ok(other);
  const userId = await idOf("vera");
  const current = before.find(({ isDefault }) => isDefault);
  const teamId = parseId("team", String(current?.teamID));
  await memberQueries.deleteMembership(lab.database.db, teamId, userId);
  await isRefused(String(current?.apiKey));
  assert.equal(await statusOf({ "x-api-key": other.apiKey }), 200, "keys of other teams stay");
  await eventually(
    "a login that acts in the team is refused",
    async () => (await lab.call("GET", "/teams", undefined, login.authorization)).status === 401,
  );
  assert.equal((await refresh(login.refreshToken)).body["error"], "invalid_grant");
});

test("a team without room for a key is left out, and refused where the login acts in it", async () => {
  const wim = await lab.person("wim", "member");
  const made = await lab.call("POST", "/v1/teams", { name: "Full team" }, wim);
  const full = parseId("team", String(made.body["id"]));
  const login = await logIn(wim);
  await lab.database.db
    .insertInto("api_keys")
    .values(
      Array.from({ length: 100 }, (_, number) => ({
        id: crypto.randomUUID(),
        team_id: full,
        name: `key ${number}`,
        key_hash: hash("sha256", `key ${number}`, "hex"),
        key_prefix: "wrn_000000",
        last_used: null,
      })),
    )
    .execute();
  const ids = (await teamsOf(login.authorization)).map(({ teamID }) => teamID);
  assert.ok(!ids.includes(formatId("team", full)) && ids.length >= 1, String(ids));
  const switched = await lab.call("POST", "/v1/auth/switch-team", { team_id: made.body["id"] }, wim);
  const there = await logIn({ authorization: `Bearer ${String(switched.body["token"])}` });
  const refused = await lab.call("GET", "/teams", undefined, there.authorization);
  assert.deepEqual([refused.body["error_code"], refused.status >= 400], ["limit_reached", true]);
});

test("every way in which a login ends ends its keys", async () => {
  const { db } = lab.database;
  const xena = await lab.person("xena", "member");
  const userId = await idOf("xena");
  const ends: readonly (() => Promise<unknown>)[] = [
    async () => await sessionQueries.revokeSessions(db, userId, new Date(), await browserSession(userId)),
    async () => await db.deleteFrom("sessions").where("oauth_client", "is not", null).execute(),
    async () => await lab.call("DELETE", "/v1/me/sessions", undefined, xena),
  ];
  for (const end of ends) {
    const login = await logIn(xena);
    const [team] = await teamsOf(login.authorization);
    await end();
    await isRefused(String(team?.apiKey));
  }
});

test("a login that ends while its keys are being made leaves none", async () => {
  const { db } = lab.database;
  const yuri = await lab.person("yuri", "member");
  for (let round = 0; round < 12; round++) {
    const login = await logIn(yuri);
    // The connection of a request whose access ends is closed.
    const listing = lab.call("GET", "/teams", undefined, login.authorization).catch(() => ({ status: 0 }));
    await new Promise((resolve) => setTimeout(resolve, round));
    assert.equal((await revoke(login.refreshToken)).status, 200);
    const { status } = await listing;
    assert.ok([0, 200, 401].includes(status), `round ${round}: ${status}`);
    const left = db.selectFrom("api_keys").innerJoin("sessions", "sessions.id", "api_keys.session_id");
    const keys = await left.select("api_keys.id").where("sessions.revoked_at", "is not", null).execute();
    assert.deepEqual(keys, [], `round ${round}`);
  }
});

async function idOf(name: string): Promise<string> {
  const users = lab.database.db.selectFrom("users").select("id");
  return (await users.where("email", "=", `${name}@example.org`).executeTakeFirstOrThrow()).id;
}

async function browserSession(userId: string): Promise<string> {
  const rows = lab.database.db.selectFrom("sessions").select("id").where("user_id", "=", userId);
  return (await rows.where("oauth_client", "is", null).executeTakeFirstOrThrow()).id;
}
