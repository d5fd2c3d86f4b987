import assert from "node:assert/strict";
import { after, test } from "node:test";
import { placeOf, refreshOf, SignInLab } from "./support/sign-in-lab.ts";
import { reasonOf } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const lab = await SignInLab.start();
after(() => lab[Symbol.asyncDispose]());
const { fake, platform } = lab;
const { db } = platform.database;
const call = platform.call.bind(platform);
const SETTINGS = "/dashboard/settings";

async function providersOf(token: string): Promise<unknown> {
  return (await call("GET", "/v1/me", { token })).body["providers"];
}

test("a provider is connected, logs in to the account, and is disconnected; the audit log and a mail tell of it", async () => {
  const ada = await platform.person("ada");
  const { email } = lab.newPerson("ada-elsewhere");
  const back = await lab.comeBack(await lab.leaveToConnect("github", ada.token));
  assert.equal(placeOf(back), `${SETTINGS}?connected=github`);
  assert.equal(refreshOf(back), undefined, "connecting logs nobody in");
  assert.equal(
    platform.mails.findLast(({ to }) => to === ada.email)?.subject,
    "GitHub was connected to your account",
  );
  const list = async (): Promise<readonly Record<string, unknown>[]> =>
    (await call("GET", "/v1/me/providers", { token: ada.token })).body as never;
  const [github, oidc] = await list();
  assert.deepEqual([github?.["connected"], github?.["email"]], [true, email]);
  assert.ok(Date.parse(String(github?.["connected_at"])) > 0);
  assert.deepEqual(oidc, { name: "oidc", title: new URL(fake.issuer).host, connected: false });
  const entered = await lab.signIn("github", "login");
  const me = await call("GET", "/v1/me", { token: await lab.tokenOf(entered) });
  assert.deepEqual([me.body["email"], me.body["has_password"]], [ada.email, true]);

  // Once more changes nothing.
  const again = await lab.comeBack(await lab.leaveToConnect("github", ada.token));
  assert.equal(placeOf(again), `${SETTINGS}?connected=github`);
  const remove = async (provider: string): Promise<Answer> =>
    await call("DELETE", `/v1/me/providers/${provider}`, { token: ada.token });
  assert.equal((await remove("github")).status, 204);
  assert.deepEqual(
    [(await remove("github")).status, reasonOf(await remove("oidc"))],
    [404, "provider_not_connected"],
  );
  assert.deepEqual(await providersOf(ada.token), []);
  assert.equal(placeOf(await lab.signIn("github", "login")), "/auth/github/callback?error=no_account");
  const log = await call("GET", "/v1/audit-logs?resource_type=user", { token: ada.token });
  const items = log.body["items"] as { action: string; metadata: Record<string, string> }[];
  assert.deepEqual(
    items
      .filter(({ action }) => action.startsWith("provider_"))
      .map(({ action, metadata }) => [action, metadata]),
    [
      ["provider_disconnect", { provider: "github" }],
      ["provider_connect", { provider: "github" }],
    ],
  );
});

test("what is connected to one account is not connected to another, and an account has one of each provider", async () => {
  const first = await platform.person("first");
  const second = await platform.person("second");
  const { subject } = lab.newPerson("shared");
  await lab.comeBack(await lab.leaveToConnect("oidc", first.token));
  const stolen = await lab.comeBack(await lab.leaveToConnect("oidc", second.token));
  assert.equal(placeOf(stolen), `${SETTINGS}?connect_error=already_linked`);
  assert.deepEqual(await providersOf(second.token), []);
  lab.newPerson("a-second-one");
  const more = await lab.comeBack(await lab.leaveToConnect("oidc", first.token));
  assert.equal(placeOf(more), `${SETTINGS}?connect_error=already_linked`);
  fake.person = { ...fake.person, subject };
  const entered = await lab.signIn("oidc", "login");
  const me = await call("GET", "/v1/me", { token: await lab.tokenOf(entered) });
  assert.equal(me.body["email"], first.email);
});

test("an attempt to connect belongs to the browser and the log-in that began it, and is never a log-in of somebody else", async () => {
  const eve = await platform.person("eve");
  lab.newPerson("bob");
  const begun = await lab.leaveToConnect("github", eve.token);
  const none = await lab.returnWith("github", fake.consent(begun.url), undefined);
  assert.equal(placeOf(none), "/auth/github/callback?error=invalid_state");
  const forged = await lab.comeBack(begun, { state: "forged" });
  assert.equal(placeOf(forged), `${SETTINGS}?connect_error=invalid_state`);
  const denied = await lab.returnWith("github", { error: "access_denied" }, begun.cookie);
  assert.equal(placeOf(denied), `${SETTINGS}?connect_error=access_denied`);
  // Bob sits down at the browser that Eve left with her attempt under way.
  assert.equal((await call("POST", "/v1/auth/logout", { token: eve.token })).status, 204);
  const late = await lab.comeBack(begun);
  assert.equal(placeOf(late), `${SETTINGS}?connect_error=invalid_state`);
  assert.equal(placeOf(await lab.signIn("github", "login")), "/auth/github/callback?error=no_account");
});

test("failures of a connect lead to the settings", async () => {
  const { token, email } = await platform.person("unlucky");
  lab.newPerson("unlucky-elsewhere");
  fake.tokenFault = "error";
  const failed = await lab.comeBack(await lab.leaveToConnect("oidc", token));
  fake.tokenFault = undefined;
  assert.equal(placeOf(failed), `${SETTINGS}?connect_error=exchange_failed`);
  const codeless = await lab.comeBack(await lab.leaveToConnect("oidc", token), { code: undefined });
  assert.equal(placeOf(codeless), `${SETTINGS}?connect_error=missing_code`);
  const begun = await lab.leaveToConnect("oidc", token);
  await db.updateTable("users").set({ status: "disabled" }).where("email", "=", email).execute();
  assert.equal(placeOf(await lab.comeBack(begun)), `${SETTINGS}?connect_error=account_deactivated`);
  const left = await db
    .selectFrom("user_identities")
    .innerJoin("users", "users.id", "user_identities.user_id")
    .select("subject")
    .where("users.email", "=", email)
    .execute();
  assert.deepEqual(left, []);
});

test("connecting needs a log-in and a provider that is there", async () => {
  const { token } = await platform.person("asking");
  const path = "/v1/me/providers/github/connect";
  assert.equal((await call("GET", path)).status, 401);
  assert.equal(reasonOf(await call("GET", path, { key: platform.apiKey })), "session_required");
  const unknown = await call("GET", "/v1/me/providers/gitlab/connect", { token });
  assert.deepEqual([unknown.status, reasonOf(unknown)], [404, "provider_not_found"]);
});

test("the last way to log in stays, also when two are taken away at once or a provider is gone", async () => {
  lab.newPerson("only");
  const token = await lab.signUp("github");
  const remove = async (provider: string): Promise<Answer> =>
    await call("DELETE", `/v1/me/providers/${provider}`, { token });
  const last = await remove("github");
  assert.deepEqual([last.status, reasonOf(last)], [400, "last_login_method"]);
  await lab.comeBack(await lab.leaveToConnect("oidc", token));
  assert.deepEqual(await providersOf(token), ["github", "oidc"]);
  const answers = await Promise.all([remove("github"), remove("oidc")]);
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([204, 400]));

  lab.newPerson("replaced");
  const other = await lab.signUp("github");
  await lab.comeBack(await lab.leaveToConnect("oidc", other));
  const { subject } = fake.person;
  const issuer = "https://replaced.example.org";
  await db
    .updateTable("user_identities")
    .set({ issuer })
    .where("provider", "=", "oidc")
    .where("subject", "=", subject)
    .execute();
  assert.deepEqual(await providersOf(other), ["github"]);
  const kept = await call("DELETE", "/v1/me/providers/github", { token: other });
  assert.equal(reasonOf(kept), "last_login_method");
  // The new issuer takes the place of the one that is gone.
  await lab.comeBack(await lab.leaveToConnect("oidc", other));
  assert.deepEqual(await providersOf(other), ["github", "oidc"]);
});

test("an account without a password gets one by saying it twice; from then on the present one is asked for", async () => {
  const { email } = lab.newPerson("wordless");
  const token = await lab.signUp("oidc");
  const elsewhere = await lab.tokenOf(await lab.signIn("oidc", "login"));
  const login = { email, password: "a new password" };
  assert.equal(
    reasonOf(await call("POST", "/v1/auth/login", { body: { ...login, password: "" } })),
    "login_failed",
  );
  const set = async (body: object): Promise<Answer> => await call("POST", "/v1/me/password", { token, body });
  for (const confirmation of [{}, { confirm_password: "another password" }, { current_password: "" }]) {
    const answer = await set({ new_password: login.password, ...confirmation });
    assert.deepEqual([answer.status, reasonOf(answer)], [400, "invalid_field"]);
  }
  platform.clock.advance(300_000);
  const short = await set({ new_password: "short", confirm_password: "short" });
  assert.equal(short.status, 400);
  const done = await set({ new_password: login.password, confirm_password: login.password });
  assert.equal(done.status, 204, JSON.stringify(done.body));
  assert.equal(
    platform.mails.findLast(({ to }) => to === email)?.subject,
    "A password was added to your account",
  );
  assert.equal((await call("GET", "/v1/me", { token })).body["has_password"], true);
  assert.equal(reasonOf(await call("GET", "/v1/me", { token: elsewhere })), "token_invalid");
  assert.equal((await call("POST", "/v1/auth/login", { body: login })).status, 200);
  const twice = await set({ new_password: "yet another one", confirm_password: "yet another one" });
  assert.deepEqual([twice.status, reasonOf(twice)], [400, "invalid_field"]);
  assert.equal((await call("DELETE", "/v1/me/providers/oidc", { token })).status, 204);
});
