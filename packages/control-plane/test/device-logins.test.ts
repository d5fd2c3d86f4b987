import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, beforeEach, test } from "node:test";
import { defined } from "@wrenn/core";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

/* Logins of devices without a browser (RFC 8628). */

const ORIGIN = "https://app.example.org";
const platform = await TestPlatform.start({
  rates: { perAddress: undefined, perKey: undefined },
  corsOrigins: [ORIGIN],
});
after(() => platform[Symbol.asyncDispose]());
let people = 0;
let ada = await platform.person("ada");
// Access tokens work for 15 minutes of the clock that these tests move.
beforeEach(async () => {
  ada = await platform.person(`ada-${people++}`);
});

interface Begun {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in: number;
  readonly interval: number;
}

async function begin(body: object = { client_name: "wrenn on laptop" }): Promise<Begun> {
  const answer = await platform.call("POST", "/v1/auth/device", {
    body,
    headers: { "user-agent": "wrenn-cli/1" },
  });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body as unknown as Begun;
}

async function claim(begun: Begun, waitMs = 5000): Promise<Answer> {
  platform.clock.advance(waitMs);
  const body = { grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: begun.device_code };
  return await platform.call("POST", "/v1/auth/token", { body });
}

async function decide(
  verb: "approve" | "deny" | "lookup",
  { user_code }: Pick<Begun, "user_code">,
  who: Person = ada,
): Promise<Answer> {
  // A person decides about few devices in a minute.
  platform.clock.advance(10_000);
  return await platform.call("POST", `/v1/auth/device/${verb}`, { token: who.token, body: { user_code } });
}

async function audited(action: string): Promise<Readonly<Record<string, string>> | undefined> {
  const query = platform.database.db.selectFrom("audit_log").select("metadata").where("action", "=", action);
  return (await query.orderBy("seq", "desc").executeTakeFirst())?.metadata;
}

test("a device that a person approves gets a login of that person, once", async () => {
  const begun = await begin();
  assert.match(begun.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  assert.equal(begun.verification_uri, "https://wrenn.example.org/device");
  assert.equal(
    begun.verification_uri_complete,
    `https://wrenn.example.org/device?user_code=${begun.user_code}`,
  );
  assert.deepEqual([begun.expires_in, begun.interval], [600, 5]);
  const pending = await claim(begun);
  assert.deepEqual([pending.status, reasonOf(pending)], [400, "device_pending"]);
  assert.equal((pending.body["error"] as { code: string }).code, "authorization_pending");

  const asked = await decide("lookup", { user_code: begun.user_code.toLowerCase().replace("-", " ") });
  assert.equal(asked.status, 200, JSON.stringify(asked.body));
  const { client_name, address, user_agent, same_network, team_id, team_name, api_key } = asked.body;
  assert.deepEqual(
    [client_name, address, user_agent, same_network, team_id, api_key],
    ["wrenn on laptop", "127.0.0.1", "wrenn-cli/1", true, ada.teamId, undefined],
  );
  assert.equal(typeof team_name, "string");
  assert.equal((await decide("approve", begun)).status, 204);
  assert.deepEqual(await audited("device_approve"), {
    client: "wrenn on laptop",
    address: "127.0.0.1",
    user_agent: "wrenn-cli/1",
    grant: "login",
  });

  const got = await claim(begun);
  assert.equal(got.status, 200, JSON.stringify(got.body));
  assert.deepEqual(
    [got.body["token_type"], got.body["expires_in"], got.body["email"], got.body["team_id"]],
    ["Bearer", 900, ada.email, ada.teamId],
  );
  assert.equal(got.headers.get("set-cookie"), null, "no cookies are involved");
  assert.equal((await audited("login"))?.["device"], "wrenn on laptop");
  const me = await platform.call("GET", "/v1/me", { token: String(got.body["access_token"]) });
  assert.equal(me.body["email"], ada.email);
  const again = await claim(begun);
  assert.deepEqual([again.status, reasonOf(again)], [400, "device_code_invalid"]);

  const refresh = async (token: unknown): Promise<Answer> =>
    await platform.call("POST", "/v1/auth/token", {
      body: { grant_type: "refresh_token", refresh_token: token },
    });
  const renewed = await refresh(got.body["refresh_token"]);
  assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
  assert.notEqual(renewed.body["refresh_token"], got.body["refresh_token"]);
  platform.clock.advance(11_000);
  assert.equal(reasonOf(await refresh(got.body["refresh_token"])), "refresh_token_invalid");
  const stolen = await refresh(renewed.body["refresh_token"]);
  assert.equal(reasonOf(stolen), "refresh_token_invalid", "a token that is used twice ends the login");
});

test("a device may ask for an API key with scopes and an expiry", async () => {
  const begun = await begin({
    client_name: "ci",
    api_key: { name: "ci key", scopes: ["read"], expires_in_sec: 3600 },
  });
  const asked = await decide("lookup", begun);
  assert.deepEqual(asked.body["api_key"], { name: "ci key", scopes: ["read"], expires_in_sec: 3600 });
  assert.equal((await decide("approve", begun)).status, 204);
  const got = await claim(begun);
  const { token_type, access_token, expires_in, scopes, name, refresh_token } = got.body;
  assert.deepEqual(
    [token_type, scopes, name, refresh_token],
    ["ApiKey", ["read"], "ci key", undefined],
    JSON.stringify(got.body),
  );
  assert.equal(expires_in, 3600);
  const key = String(access_token);
  assert.equal((await platform.call("GET", "/v1/capsules", { key })).status, 200);
  assert.equal(reasonOf(await platform.call("POST", "/v1/capsules", { key, body: {} })), "scope_missing");
  platform.clock.advance(3_700_000);
  assert.equal((await platform.call("GET", "/v1/capsules", { key })).status, 401);
  assert.equal((await audited("create"))?.["name"], "ci key");
});

test("codes that are denied, late, unknown or decided already are refused, each with an error", async () => {
  const denied = await begin();
  assert.equal((await decide("deny", denied)).status, 204);
  assert.equal((await audited("device_deny"))?.["client"], "wrenn on laptop");
  const refused = await claim(denied);
  assert.deepEqual([refused.status, reasonOf(refused)], [400, "device_denied"]);
  assert.equal((refused.body["error"] as { code: string }).code, "access_denied");
  const twice = await decide("approve", denied);
  assert.deepEqual([twice.status, reasonOf(twice)], [409, "device_login_decided"]);
  assert.equal(reasonOf(await decide("lookup", denied)), "device_login_decided");

  const late = await begin();
  platform.clock.advance(601_000);
  const expired = await claim(late);
  assert.deepEqual([expired.status, reasonOf(expired)], [400, "device_code_expired"]);
  assert.equal((expired.body["error"] as { code: string }).code, "expired_token");
  for (const verb of ["lookup", "approve", "deny"] as const) {
    const answer = await decide(verb, late);
    assert.deepEqual([answer.status, reasonOf(answer)], [404, "user_code_not_found"], verb);
  }
  const unknown = await claim({ ...late, device_code: "0".repeat(64) });
  assert.deepEqual([unknown.status, reasonOf(unknown)], [400, "device_code_invalid"]);
  assert.equal((unknown.body["error"] as { code: string }).code, "invalid_grant");
  for (const body of [
    { grant_type: "password" },
    { grant_type: "refresh_token" },
    { grant_type: "urn:ietf:params:oauth:grant-type:device_code" },
    { grant_type: "refresh_token", refresh_token: "0".repeat(64), client_secret: "x" },
  ])
    assert.equal(reasonOf(await platform.call("POST", "/v1/auth/token", { body })), "invalid_field");
});

test("a device that asks too early is slowed down, and gets its login all the same", async () => {
  const begun = await begin();
  assert.equal(reasonOf(await claim(begun)), "device_pending");
  const early = await claim(begun, 1000);
  assert.deepEqual([early.status, reasonOf(early)], [400, "device_slow_down"]);
  assert.equal((early.body["error"] as { code: string }).code, "slow_down");
  assert.equal(early.headers.get("retry-after"), "10");
  assert.equal(reasonOf(await claim(begun, 6000)), "device_slow_down", "5 s are not enough from then on");
  await decide("approve", begun);
  assert.equal((await claim(begun, 15_000)).status, 200);
});

test("an approval ends with the login of the person who gave it", async () => {
  const carol = await platform.person("carol");
  const [login, key] = [await begin(), await begin({ api_key: {} })];
  for (const begun of [login, key]) assert.equal((await decide("approve", begun, carol)).status, 204);
  await platform.call("POST", "/v1/auth/logout", { token: carol.token, cookie: carol.cookie });
  for (const begun of [login, key]) assert.equal(reasonOf(await claim(begun)), "device_denied");
});

test("of several decisions and claims at once, one counts", async () => {
  const begun = await begin();
  const decisions = await Promise.all(
    (["approve", "deny", "approve"] as const).map(async (verb) => await decide(verb, begun)),
  );
  assert.deepEqual(
    decisions.map(({ status }) => status).toSorted((a, b) => a - b),
    [204, 409, 409],
  );
  const approved = await begin();
  await decide("approve", approved);
  const claims = await Promise.all([1, 2, 3].map(async () => await claim(approved, 0)));
  assert.equal(claims.filter(({ status }) => status === 200).length, 1, JSON.stringify(claims));
});

test("user codes cannot be guessed: tries are limited per person, also of codes that exist", async () => {
  const mallory = await platform.person("mallory");
  const answers: (readonly [number, unknown])[] = [];
  for (let tried = 0; tried < 25; tried++) {
    const { status, body } = await platform.call("POST", "/v1/auth/device/lookup", {
      token: mallory.token,
      body: { user_code: "BBBB-BBBB" },
    });
    answers.push([status, (body["error"] as { reason?: string }).reason]);
  }
  assert.deepEqual(answers[0], [404, "user_code_not_found"]);
  assert.deepEqual(answers.at(-1), [429, "rate_limited"]);
  assert.equal(answers.filter(([status]) => status === 404).length, 20);
});

test("one network begins logins at a limited rate", async () => {
  platform.clock.advance(600_000);
  const statuses: number[] = [];
  for (let begun = 0; begun < 25; begun++)
    statuses.push((await platform.call("POST", "/v1/auth/device", { body: {} })).status);
  assert.equal(statuses.filter((status) => status === 200).length, 20);
  assert.equal(statuses.at(-1), 429);
  platform.clock.advance(600_000);
});

test("keys do not decide, and pages of other origins decide nothing by a cookie", async () => {
  const begun = await begin();
  const byKey = await platform.call("POST", "/v1/auth/device/approve", {
    key: platform.apiKey,
    body: { user_code: begun.user_code },
  });
  assert.equal(reasonOf(byKey), "session_required");
  const byCookie = await platform.call("POST", "/v1/auth/device/approve", {
    cookie: ada.cookie,
    body: { user_code: begun.user_code },
  });
  assert.equal(byCookie.status, 401);
  const from = async (path: string, origin: string | undefined, body?: object): Promise<unknown> =>
    reasonOf(
      await platform.call("POST", path, {
        ...defined({ body }),
        headers: { ...defined({ origin }), "sec-fetch-site": "cross-site" },
      }),
    );
  assert.equal(await from("/v1/auth/device", "https://evil.example", {}), "foreign_page");
  assert.equal(await from("/v1/auth/device", ORIGIN, {}), undefined);
  assert.equal(await from("/v1/auth/refresh", ORIGIN), "foreign_page", "this route takes a cookie");
});

test("the page runs its own script only, in no frame, and puts nothing of the address into its HTML", async () => {
  const answer = await fetch(`${platform.url}/device?user_code=%3Cscript%3E`);
  const html = await answer.text();
  const policy = answer.headers.get("content-security-policy") ?? "";
  const script = /<script>([^]*)<\/script>/.exec(html)?.[1] ?? "";
  assert.ok(policy.includes(`script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`));
  assert.match(policy, /default-src 'none'.*form-action 'none'.*frame-ancestors 'none'/);
  assert.equal(answer.headers.get("x-frame-options"), "DENY");
  assert.equal(html.match(/<script>/g)?.length, 1);
  assert.ok(!script.includes("innerHTML"));
});
