import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { DAY_MS } from "@wrenn/core";
import { upkeepQueries } from "@wrenn/database";
import { sql } from "kysely";
import type { TokenFault } from "./support/fake-provider.ts";
import { placeOf, refreshOf, SignInLab } from "./support/sign-in-lab.ts";
import type { ProviderName } from "./support/sign-in-lab.ts";
import { reasonOf } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const lab = await SignInLab.start();
after(() => lab[Symbol.asyncDispose]());
const { fake, platform } = lab;
const { db } = platform.database;
const call = platform.call.bind(platform);
const both: readonly ProviderName[] = ["github", "oidc"];

beforeEach(() => Object.assign(fake, { tokenFault: undefined, flaws: {}, broken: false }));

function refused(answer: Answer, error: string): void {
  assert.match(placeOf(answer), new RegExp(`^/auth/(github|oidc)/callback\\?error=${error}$`));
  assert.equal(refreshOf(answer), undefined, "nobody is logged in");
}

for (const provider of both)
  test(`somebody signs up by ${provider}, and logs in by it later`, async () => {
    const { name, email } = lab.newPerson(`new-at-${provider}`);
    refused(await lab.signIn(provider, "login"), "no_account");
    const first = await lab.signIn(provider, "signup");
    assert.equal(placeOf(first), `/auth/${provider}/callback?new_signup=1`);
    const token = await lab.tokenOf(first);
    const { body } = await call("GET", "/v1/me", { token });
    assert.deepEqual(body, { name, email, has_password: false, providers: [provider] });
    const teams = await call("GET", "/v1/teams", { token });
    assert.match(JSON.stringify(teams.body), new RegExp(`${name}'s Team`));
    // What a provider tells later changes nothing of the account.
    fake.person = { ...fake.person, email: "elsewhere@example.org", verified: false, name: "Other" };
    for (const intent of ["login", "signup"] as const) {
      const again = await lab.signIn(provider, intent);
      assert.equal(placeOf(again), `/auth/${provider}/callback`);
      const later = await call("GET", "/v1/me", { token: await lab.tokenOf(again) });
      assert.deepEqual(later.body, body);
    }
  });

test("a log-in puts tokens neither into the address nor into what scripts can read", async () => {
  lab.newPerson("private");
  const answer = await lab.signIn("oidc", "signup");
  assert.doesNotMatch(answer.headers.get("location") ?? "", /token|eyJ|[0-9a-f]{32}/);
  const cookies = answer.headers.getSetCookie();
  assert.ok(cookies.length > 0);
  for (const cookie of cookies) assert.match(cookie, /; HttpOnly; SameSite=Strict; Secure$/);
  assert.deepEqual(
    ["cache-control", "referrer-policy"].map((name) => answer.headers.get(name)),
    ["no-store", "no-referrer"],
  );
});

test("the paths of the contract's documentation lead the same way", async () => {
  lab.newPerson("by-the-book");
  const gone = await call("GET", "/v1/auth/oauth/github?intent=signup");
  const { code, state } = fake.consent(new URL(gone.headers.get("location") ?? ""));
  const cookie = gone.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  const back = await call("GET", `/v1/auth/oauth/github/callback?code=${code}&state=${state}`, { cookie });
  assert.equal(placeOf(back), "/auth/github/callback?new_signup=1");
  const { body } = await call("GET", "/v1/auth/providers");
  assert.deepEqual(body, [
    { name: "github", title: "GitHub" },
    { name: "oidc", title: new URL(fake.issuer).host },
  ]);
});

test("a provider that is not there is not found", async () => {
  for (const path of ["/auth/oauth/gitlab", "/auth/oauth/gitlab/callback?code=1", "/v1/auth/oauth/__proto__"])
    assert.deepEqual(
      [(await call("GET", path)).status, reasonOf(await call("GET", path))],
      [404, "provider_not_found"],
    );
});

test("a provider's address never joins an account that has it, and one that it does not vouch for makes none", async () => {
  const owner = await platform.person("proved");
  lab.newPerson("proved");
  refused(await lab.signIn("github", "login"), "no_account");
  refused(await lab.signIn("github", "signup"), "email_taken");
  assert.deepEqual((await call("GET", "/v1/me", { token: owner.token })).body["providers"], []);
  for (const provider of both) {
    lab.newPerson("unproved", { verified: false });
    refused(await lab.signIn(provider, "signup"), "email_unverified");
    lab.newPerson("proved", { verified: false });
    refused(await lab.signIn(provider, "signup"), "email_unverified");
  }
  const left = await db
    .selectFrom("users")
    .select("id")
    .where("email", "=", "unproved@example.org")
    .execute();
  assert.deepEqual(left, []);
});

test("an account that waits for the proof of its address goes when a provider vouches for somebody else", async () => {
  const email = "waiting@example.org";
  const body = { email, password: "of somebody else", name: "Squatter" };
  assert.equal((await call("POST", "/v1/auth/signup", { body })).status, 201);
  const token = platform.mailedToken(email);
  lab.newPerson("waiting");
  await lab.signUp("github");
  assert.equal(
    reasonOf(await call("POST", "/v1/auth/activate", { body: { token, password: "some password" } })),
    "one_time_token_invalid",
  );
  assert.equal(reasonOf(await call("POST", "/v1/auth/login", { body })), "login_failed");
});

test("of two sign-ups of one person at once one makes the account, and both are logged in", async () => {
  lab.newPerson("twice");
  const journeys = [await lab.leave("oidc", "signup"), await lab.leave("oidc", "signup")];
  const answers = await Promise.all(journeys.map((journey) => lab.comeBack(journey)));
  for (const answer of answers) await lab.tokenOf(answer);
  const { length } = await db
    .selectFrom("users")
    .select("id")
    .where("email", "=", "twice@example.org")
    .execute();
  assert.equal(length, 1);
});

test("a state that is missing, forged, another's, used or over is refused", async () => {
  lab.newPerson("stately");
  const journey = await lab.leave("github", "signup");
  const other = await lab.leave("github", "signup");
  const { state } = fake.consent(other.url);
  for (const forged of [undefined, "", "forged", "é".repeat(20), "A".repeat(43), state])
    refused(await lab.comeBack(journey, { state: forged }), "invalid_state");
  refused(await lab.returnWith("github", fake.consent(journey.url), undefined), "invalid_state");
  refused(await lab.returnWith("github", fake.consent(journey.url), other.cookie), "invalid_state");
  refused(await lab.returnWith("oidc", fake.consent(journey.url), journey.cookie), "invalid_state");
  assert.ok(refreshOf(await lab.comeBack(journey)), "what others tried has not used it up");
  refused(await lab.comeBack(journey), "invalid_state");
  const late = await lab.leave("github", "login");
  platform.clock.advance(11 * 60_000);
  refused(await lab.comeBack(late), "invalid_state");
});

test("of several that bring one state at once, to any control plane, one is logged in", async () => {
  lab.newPerson("racing");
  const other = await platform.serve(undefined);
  const journey = await lab.leave("github", "signup");
  const answers = await Promise.all(
    [platform.url, other.url, platform.url, other.url].map(async (url) => {
      const query = new URLSearchParams(fake.consent(journey.url)).toString();
      return await call("GET", `/auth/oauth/github/callback?${query}`, { cookie: journey.cookie, url });
    }),
  );
  const problems = answers.filter((answer) => placeOf(answer).endsWith("?error=invalid_state"));
  assert.deepEqual(
    [answers.filter((answer) => refreshOf(answer) !== undefined).length, problems.length],
    [1, 3],
  );
  await other.close();
});

test("the database cannot finish an attempt: it knows neither state nor secret", async () => {
  const journey = await lab.leave("oidc", "login");
  const rows = JSON.stringify(await db.selectFrom("sign_in_attempts").selectAll().execute());
  const query = journey.url.searchParams;
  const known = [
    journey.cookie.split("=")[1],
    query.get("state"),
    query.get("nonce"),
    query.get("code_challenge"),
  ];
  for (const secret of known) {
    assert.ok(secret !== undefined && secret !== null && secret.length >= 43);
    assert.ok(!rows.includes(secret));
  }
  assert.equal(new Set(known).size, known.length);
});

test("a failure of the database is told to the browser, and heard of in the log", async () => {
  lab.newPerson("stumbling");
  const journey = await lab.leave("github", "signup");
  await sql`alter table user_identities rename to mislaid`.execute(db);
  try {
    refused(await lab.comeBack(journey), "db_error");
  } finally {
    await sql`alter table mislaid rename to user_identities`.execute(db);
  }
  const { fields } = platform.logged.findLast(({ event }) => event === "sign_in.failed") ?? {};
  assert.match(String(fields?.["problem"]), /user_identities/);
});

test("a refusal at the provider is told, and ends the attempt; one that somebody made up does not", async () => {
  lab.newPerson("undecided");
  const journey = await lab.leave("github", "signup");
  const { code, state } = fake.consent(journey.url);
  refused(
    await lab.returnWith("github", { error: "access_denied", state: "forged" }, journey.cookie),
    "access_denied",
  );
  refused(await lab.returnWith("github", { error: "<script>", state }, journey.cookie), "access_denied");
  refused(await lab.returnWith("github", { code, state }, journey.cookie), "invalid_state");
  const again = await lab.leave("github", "signup");
  refused(await lab.comeBack(again, { code: undefined }), "missing_code");
});

const faults: readonly TokenFault[] = ["error", "huge", "redirect", "no-json", "close"];
for (const fault of faults)
  test(`a token endpoint with the fault "${fault}" lets nobody in`, async () => {
    lab.newPerson("faulty");
    fake.tokenFault = fault;
    for (const provider of both) refused(await lab.signIn(provider, "signup"), "exchange_failed");
  });

test("a token endpoint that hangs is given up", async () => {
  lab.newPerson("hanging");
  fake.tokenFault = "hang";
  for (const provider of both) refused(await lab.signIn(provider, "signup"), "exchange_failed");
});

test("an ID token that is wrong lets nobody in", async () => {
  lab.newPerson("tricky");
  const past = Math.floor(Date.now() / 1000) - 120;
  for (const flaws of [
    { claims: { iss: "https://evil.example.org" } },
    { claims: { aud: "another" } },
    { claims: { nonce: "another" } },
    { claims: { exp: past } },
    { algorithm: "none" as const },
    { algorithm: "HS256" as const },
    { foreignKey: true },
  ]) {
    fake.flaws = flaws;
    refused(await lab.signIn("oidc", "signup"), "exchange_failed");
  }
  fake.flaws = {};
  await lab.signUp("oidc");
});

test("a disabled account stays out, which the audit log tells", async () => {
  const { email } = lab.newPerson("disabled");
  await lab.signUp("github");
  await db.updateTable("users").set({ status: "disabled" }).where("email", "=", email).execute();
  refused(await lab.signIn("github", "login"), "account_deactivated");
  refused(await lab.signIn("github", "signup"), "account_deactivated");
  await db.updateTable("users").set({ status: "active" }).where("email", "=", email).execute();
  const token = await lab.tokenOf(await lab.signIn("github", "login"));
  const { body } = await call("GET", "/v1/audit-logs?resource_type=user", { token });
  const items = body["items"] as { action: string; metadata: Record<string, string> }[];
  assert.deepEqual(
    items.map(({ action, metadata }) => [action, metadata["provider"], metadata["address"]]),
    ["login", "login_failed", "login_failed", "login"].map((action) => [action, "github", "127.0.0.1"]),
  );
});

test("a deleted account is forgotten: the same person may sign up again", async () => {
  const { email } = lab.newPerson("returning");
  const token = await lab.signUp("github");
  const gone = await call("DELETE", "/v1/me", { token, body: { confirmation: email } });
  assert.equal(gone.status, 204, JSON.stringify(gone.body));
  refused(await lab.signIn("github", "login"), "no_account");
  await lab.signUp("github");
});

test("the same subject of another issuer is somebody else", async () => {
  lab.newPerson("moved");
  await lab.signUp("oidc");
  await db
    .updateTable("user_identities")
    .set({ issuer: "https://old.example.org" })
    .where("subject", "=", fake.person.subject)
    .execute();
  refused(await lab.signIn("oidc", "login"), "no_account");
});

test("a provider that cannot be reached is told to the browser, and heard of in the log", async () => {
  lab.providerClock.advance(2 * 3_600_000);
  fake.broken = true;
  const answer = await call("GET", "/auth/oauth/oidc");
  assert.equal(answer.status, 302);
  refused(answer, "provider_unavailable");
  assert.deepEqual(answer.headers.getSetCookie(), []);
  const { token } = await platform.person("lonely");
  const connect = await call("GET", "/v1/me/providers/oidc/connect", { token });
  assert.deepEqual([connect.status, reasonOf(connect)], [502, "provider_failed"]);
  const { fields } = platform.logged.findLast(({ event }) => event === "sign_in.provider_failed") ?? {};
  assert.equal(fields?.["provider"], "oidc");
  assert.match(String(fields?.["problem"]), /answered 503/);
});

test("attempts that nobody finished are dropped", async () => {
  await lab.leave("github", "login");
  const count = async (): Promise<number> =>
    (await db.selectFrom("sign_in_attempts").select("hash").execute()).length;
  assert.ok((await count()) > 0);
  const now = platform.clock.now();
  await upkeepQueries.pruneLogins(db, new Date(now + 601_000), new Date(now - DAY_MS));
  assert.equal(await count(), 0);
});

test("going to a provider is limited by address", async () => {
  const answers: Answer[] = [];
  for (let i = 0; i < 40; i++) answers.push(await call("GET", "/auth/oauth/github"));
  assert.equal(answers.at(-1)?.status, 429);
  platform.clock.advance(120_000);
});

test("nothing secret of all this is in the log", () => {
  const log = JSON.stringify(platform.logged);
  assert.match(log, /sign_in.provider_failed/);
  assert.doesNotMatch(log, /secret of|access-token|eyJ|[?&](code|state)=/);
});
