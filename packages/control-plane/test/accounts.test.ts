import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DAY_MS } from "@wrenn/core";
import { reasonOf, refreshCookie, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

test("an account waits for its mailed token, which works once", async () => {
  const who = { email: " Ada@Example.org", password: "correct horse", name: "Ada" };
  const signUp = await call("POST", "/v1/auth/signup", { body: who });
  assert.equal(signUp.status, 201);
  const cookie = refreshCookie(signUp);
  const login = { email: "ada@example.org", password: who.password };
  assert.equal(reasonOf(await call("POST", "/v1/auth/login", { body: login })), "account_not_activated");
  const token = platform.mailedToken("ada@example.org");
  const active = await call("POST", "/v1/auth/activate", { body: { token }, cookie });
  assert.equal(active.status, 200);
  assert.equal(active.body["email"], "ada@example.org");
  const again = await call("POST", "/v1/auth/activate", { body: { token } });
  assert.equal(reasonOf(again), "one_time_token_invalid");
  const inside = await call("GET", "/v1/me", { token: String(active.body["token"]) });
  assert.deepEqual(inside.body, { name: "Ada", email: "ada@example.org", has_password: true, providers: [] });
});

test("signing up with a taken address is answered alike, changes nothing, and tells the owner", async () => {
  const owner = await platform.person("owner");
  const thief = { email: owner.email, password: "another password", name: "Thief" };
  const fresh = { email: "fresh@example.org", password: "another password", name: "Fresh" };
  const [taken, free] = [
    await call("POST", "/v1/auth/signup", { body: thief }),
    await call("POST", "/v1/auth/signup", { body: fresh }),
  ];
  assert.deepEqual([taken.status, taken.body], [free.status, free.body]);
  assert.equal(
    platform.mails.findLast((mail) => mail.to === owner.email)?.subject,
    "You already have an account",
  );
  const login = { email: owner.email, password: thief.password };
  assert.equal(reasonOf(await call("POST", "/v1/auth/login", { body: login })), "login_failed");
});

test("of two sign-ups with one address the one whose link is opened gets it, with its own password", async () => {
  const email = "shared@example.org";
  const signUp = await call("POST", "/v1/auth/signup", {
    body: { email, password: "first password", name: "First" },
  });
  const first = platform.mailedToken(email);
  await call("POST", "/v1/auth/signup", { body: { email, password: "second password", name: "Second" } });
  const second = platform.mailedToken(email);
  const active = await call("POST", "/v1/auth/activate", {
    body: { token: first },
    cookie: refreshCookie(signUp),
  });
  assert.equal(active.body["name"], "First");
  const late = await call("POST", "/v1/auth/activate", { body: { token: second } });
  assert.equal(reasonOf(late), "one_time_token_invalid");
  const login = await call("POST", "/v1/auth/login", { body: { email, password: "second password" } });
  assert.equal(reasonOf(login), "login_failed");
});

test("an activation token is over after half an hour", async () => {
  const email = "late@example.org";
  await call("POST", "/v1/auth/signup", { body: { email, password: "some password", name: "Late" } });
  platform.clock.advance(31 * 60_000);
  const late = await call("POST", "/v1/auth/activate", { body: { token: platform.mailedToken(email) } });
  assert.equal(reasonOf(late), "one_time_token_invalid");
  await call("POST", "/v1/auth/signup", {
    body: { email: "later@example.org", password: "some password", name: "Later" },
  });
  const left = await platform.database.db
    .selectFrom("users")
    .select("id")
    .where("email", "=", email)
    .execute();
  assert.deepEqual(left, []);
});

test("unknown addresses and wrong passwords are refused alike", async () => {
  const { email } = await platform.person("known");
  const wrong = await call("POST", "/v1/auth/login", { body: { email, password: "wrong" } });
  const unknown = await call("POST", "/v1/auth/login", {
    body: { email: "nobody@example.org", password: "wrong" },
  });
  assert.deepEqual([wrong.status, reasonOf(wrong)], [401, "login_failed"]);
  assert.deepEqual([unknown.status, reasonOf(unknown)], [401, "login_failed"]);
});

test("refresh tokens rotate; one that comes back later ends the session", async () => {
  const { cookie } = await platform.person("rotating");
  const renewed = await call("POST", "/v1/auth/refresh", { cookie });
  assert.equal(renewed.status, 200);
  assert.match(renewed.headers.get("set-cookie") ?? "", /HttpOnly; SameSite=Strict; Secure$/);
  const token = String(renewed.body["token"]);
  assert.equal((await call("GET", "/v1/me", { token })).status, 200);
  platform.clock.advance(60_000);
  assert.equal(reasonOf(await call("POST", "/v1/auth/refresh", { cookie })), "refresh_token_invalid");
  assert.equal(reasonOf(await call("GET", "/v1/me", { token })), "token_invalid");
  const heir = await call("POST", "/v1/auth/refresh", { cookie: refreshCookie(renewed) });
  assert.equal(reasonOf(heir), "refresh_token_invalid");
});

test("access tokens are over after 15 minutes, and at once after a log-out", async () => {
  const { token, cookie } = await platform.person("leaving");
  assert.equal((await call("GET", "/v1/capsules", { token })).status, 200);
  assert.equal((await call("POST", "/v1/auth/logout", { token })).status, 204);
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { token })), "token_invalid");
  assert.equal(reasonOf(await call("POST", "/v1/auth/refresh", { cookie })), "refresh_token_invalid");
  const other = await platform.person("staying");
  platform.clock.advance(16 * 60_000);
  assert.equal(reasonOf(await call("GET", "/v1/me", { token: other.token })), "token_invalid");
  assert.equal((await call("POST", "/v1/auth/refresh", { cookie: other.cookie })).status, 200);
});

test("changing the password ends the other sessions and keeps this one", async () => {
  const { email, password, token } = await platform.person("changing");
  const other = await call("POST", "/v1/auth/login", { body: { email, password } });
  const body = { current_password: "wrong", new_password: "a new password" };
  assert.equal(reasonOf(await call("POST", "/v1/me/password", { token, body })), "wrong_password");
  const right = { ...body, current_password: password };
  assert.equal((await call("POST", "/v1/me/password", { token, body: right })).status, 204);
  assert.equal((await call("GET", "/v1/me", { token })).status, 200);
  assert.equal(
    reasonOf(await call("GET", "/v1/me", { token: String(other.body["token"]) })),
    "token_invalid",
  );
});

test("a password is reset by a mailed token, which ends every session; unknown addresses are answered alike", async () => {
  const { email, token } = await platform.person("forgetful");
  assert.equal((await call("POST", "/v1/me/password/reset", { body: { email } })).status, 204);
  const before = platform.mails.length;
  const unknown = await call("POST", "/v1/me/password/reset", { body: { email: "nobody@example.org" } });
  assert.equal(unknown.status, 204);
  assert.equal(platform.mails.length, before);
  const body = { token: platform.mailedToken(email), new_password: "remembered now" };
  assert.equal((await call("POST", "/v1/me/password/reset/confirm", { body })).status, 204);
  assert.equal(reasonOf(await call("GET", "/v1/me", { token })), "token_invalid");
  const again = await call("POST", "/v1/me/password/reset/confirm", { body });
  assert.equal(reasonOf(again), "one_time_token_invalid");
  const login = { email, password: "remembered now" };
  assert.equal((await call("POST", "/v1/auth/login", { body: login })).status, 200);
});

test("guessing is slowed down, and the answer says for how long", async () => {
  const { email } = await platform.person("guessed");
  let answer = await call("POST", "/v1/auth/login", { body: { email, password: "guess" } });
  for (let tries = 0; answer.status === 401 && tries < 30; tries++)
    answer = await call("POST", "/v1/auth/login", { body: { email, password: "guess" } });
  assert.equal(reasonOf(answer), "rate_limited");
  assert.equal(answer.status, 429);
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
});

test("tokens that are forged, of another algorithm or malformed are refused", async () => {
  const { token } = await platform.person("forged");
  const [, payload = "", signature = ""] = token.split(".");
  const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  for (const bad of [`${none}.${payload}.`, `${none}.${payload}.${signature}`, token.slice(0, -4), "x"])
    assert.equal(reasonOf(await call("GET", "/v1/me", { token: bad })), "token_invalid");
  assert.equal(reasonOf(await call("GET", "/v1/me")), "credentials_missing");
  assert.equal(reasonOf(await call("GET", "/v1/me", { key: platform.apiKey })), "session_required");
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { token, key: "wrn_0" })), "api_key_invalid");
});

test("the operator's token is replaced by a fresh one, also after its day, and by who has it only", async () => {
  const renew = async (token: string) => await call("POST", "/v1/auth/bootstrap/renew", { body: { token } });
  const first = platform.firstAdminToken ?? assert.fail("no token was handed over");
  assert.equal(reasonOf(await renew("0".repeat(64))), "one_time_token_invalid");
  assert.equal(platform.firstAdminToken, first);
  platform.clock.advance(2 * DAY_MS);
  const renewed = await renew(first);
  assert.equal(renewed.status, 204);
  assert.deepEqual(renewed.body, {}, "the answer does not have it");
  assert.notEqual(platform.firstAdminToken, first);
  const body = { token: first, email: "early@example.org", password: "the first one", name: "Early" };
  assert.equal(reasonOf(await call("POST", "/v1/auth/bootstrap", { body })), "one_time_token_invalid");
  assert.equal(reasonOf(await renew(first)), "one_time_token_invalid");
});

test("the first administrator is made by the token that the operator has, once, and the log never has it", async () => {
  const token = platform.firstAdminToken ?? assert.fail("no token was handed over");
  const body = {
    token,
    email: "root@example.org",
    password: "the first one",
    name: "Root",
  };
  const taken = await platform.person("before-root");
  const refused = await call("POST", "/v1/auth/bootstrap", { body: { ...body, email: taken.email } });
  assert.equal(reasonOf(refused), "email_taken");
  const made = await call("POST", "/v1/auth/bootstrap", { body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const [, payload = ""] = String(made.body["token"]).split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
  assert.equal(claims["is_admin"], true);
  assert.equal(claims["role"], "owner");
  const capsule = await call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  const list = await call("GET", "/v1/capsules", { token: String(made.body["token"]) });
  const ids = (list.body as unknown as { readonly id: string }[]).map(({ id }) => id);
  assert.deepEqual(ids, [capsule.body["id"]], "what the first key makes is the first administrator's");
  assert.equal(platform.firstAdminToken, undefined, "a token that is used up is taken back");
  assert.ok(!JSON.stringify(platform.logged).includes(token));
  const again = await call("POST", "/v1/auth/bootstrap", { body: { ...body, email: "second@example.org" } });
  assert.equal(reasonOf(again), "one_time_token_invalid");
  const renewed = await call("POST", "/v1/auth/bootstrap/renew", { body: { token } });
  assert.equal(reasonOf(renewed), "one_time_token_invalid", "there is an administrator");
  assert.equal(platform.firstAdminToken, undefined);
});
