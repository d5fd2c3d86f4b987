import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DAY_MS } from "@wrenn/core";
import { placeOf, SignInLab } from "./support/sign-in-lab.ts";
import { reasonOf, refreshCookie } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const lab = await SignInLab.start({ signUpMode: "default" });
after(() => lab[Symbol.asyncDispose]());
const { platform } = lab;
const call = platform.call.bind(platform);
/** Further control planes of the same database, with the setting. */
const open = await platform.serve(undefined, undefined, { signUpMode: "open" });
const closed = await platform.serve(undefined, undefined, { signUpMode: "closed" });

const ADMIN = { email: "root@example.org", password: "of the administrator", name: "Root" };
let admin = { token: "", team: "" };

/** Makes the first administrator, as the reader of the server's files does. */
async function bootstrap(url: string): Promise<void> {
  const body = { ...ADMIN, token: platform.firstAdminToken };
  const made = await call("POST", "/v1/auth/bootstrap", { body, url });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  admin = { token: String(made.body["token"]), team: String(made.body["team_id"]) };
}

async function invite(email: string): Promise<void> {
  const { token, team } = admin;
  const answer = await call("POST", `/v1/teams/${team}/invitations`, { token, body: { email } });
  assert.equal(answer.status, 204, JSON.stringify(answer.body));
}

async function signUp(email: string, url = platform.url): Promise<Answer> {
  const body = { email, password: "some password", name: "New" };
  return await call("POST", "/v1/auth/signup", { body, url });
}

async function accountsOf(email: string): Promise<number> {
  const rows = platform.database.db.selectFrom("users").select("id").where("email", "=", email);
  return (await rows.execute()).length;
}

/** The providers' half of the same rule, at the control plane with the default. */
const providers = ["github", "oidc"] as const;

test("by default anyone makes an account before there is an administrator", async () => {
  await platform.person("early");
  for (const provider of providers) {
    lab.newPerson(`early-${provider}`);
    await lab.signUp(provider);
  }
});

test("closed: no way leads to an account but the token of the first administrator", async () => {
  assert.equal(reasonOf(await signUp("early@example.com", closed.url)), "sign_up_closed");
  await bootstrap(closed.url);
  await invite("invited-in-vain@example.org");
  const refused = await signUp("invited-in-vain@example.org", closed.url);
  assert.deepEqual([refused.status, reasonOf(refused)], [403, "sign_up_closed"]);
  assert.equal(await accountsOf("invited-in-vain@example.org"), 0);
});

test("closed: people who have an account log in and reset their password", async () => {
  const { email, password } = ADMIN;
  const { url } = closed;
  assert.equal((await call("POST", "/v1/auth/login", { body: { email, password }, url })).status, 200);
  assert.equal((await call("POST", "/v1/me/password/reset", { body: { email }, url })).status, 204);
  assert.notEqual(platform.mailedToken(email), "");
});

test("by default people with an invitation, and no others, make accounts once there is an administrator", async () => {
  const refused = await signUp("uninvited@example.org");
  assert.deepEqual([refused.status, reasonOf(refused)], [403, "invitation_required"]);
  assert.equal(await accountsOf("uninvited@example.org"), 0);
  assert.equal(platform.mails.filter(({ to }) => to === "uninvited@example.org").length, 0);
  await invite("invited@example.org");
  const { token } = await platform.person("invited");
  const list = await call("GET", "/v1/invitations", { token });
  const [{ id }] = list.body as unknown as [{ readonly id: string }];
  assert.equal((await call("POST", `/v1/invitations/${id}/accept`, { token })).status, 204);
});

test("the answer to a sign-up by invitation does not tell who has an account", async () => {
  const known = await signUp("early@example.org");
  const unknown = await signUp("unknown@example.org");
  assert.deepEqual([known.status, reasonOf(known)], [unknown.status, reasonOf(unknown)]);
  await invite("early@example.org");
  await invite("unknown@example.org");
  const answers = [await signUp("early@example.org"), await signUp("unknown@example.org")];
  for (const { status, body, headers } of answers)
    assert.deepEqual([status, body, headers.getSetCookie().length], [201, answers[0]?.body, 1]);
});

test("an invitation that is withdrawn after the sign-up activates no account", async () => {
  const { token, team } = admin;
  const email = "withdrawn@example.org";
  await invite(email);
  const begun = await signUp(email);
  assert.equal(begun.status, 201);
  const list = await call("GET", `/v1/teams/${team}/invitations`, { token });
  const { id } =
    (list.body as unknown as { id: string; email: string }[]).find((one) => one.email === email) ?? {};
  assert.equal((await call("DELETE", `/v1/teams/${team}/invitations/${id}`, { token })).status, 204);
  const activation = { body: { token: platform.mailedToken(email) }, cookie: refreshCookie(begun) };
  const late = await call("POST", "/v1/auth/activate", activation);
  assert.deepEqual([late.status, reasonOf(late)], [403, "invitation_required"]);
  await invite(email);
  const again = await call("POST", "/v1/auth/activate", activation);
  assert.equal(again.status, 200, "a refusal leaves the link good");
});

test("a sign-up that began while anyone could sign up ends where it is closed", async () => {
  const begun = await signUp("slow@example.org", open.url);
  const body = { token: platform.mailedToken("slow@example.org"), password: "some password" };
  const late = await call("POST", "/v1/auth/activate", {
    body,
    url: closed.url,
    cookie: refreshCookie(begun),
  });
  assert.deepEqual([late.status, reasonOf(late)], [403, "sign_up_closed"]);
});

for (const provider of providers) {
  test(`${provider} makes accounts by the same rule, for the address that the provider has verified`, async () => {
    lab.newPerson(`uninvited-${provider}`);
    const refused = await lab.signIn(provider, "signup");
    assert.equal(placeOf(refused), `/auth/${provider}/callback?error=invitation_required`);
    assert.equal(await accountsOf(`uninvited-${provider}@example.org`), 0);
    await invite(`invited-${provider}@example.org`);
    lab.newPerson(`invited-${provider}`, { verified: false });
    assert.match(placeOf(await lab.signIn(provider, "signup")), /error=email_unverified$/);
    lab.newPerson(`invited-${provider}`);
    await lab.signUp(provider);
    assert.match(placeOf(await lab.signIn(provider, "login")), /callback$/);
    const page = await fetch(`${platform.url}/auth/${provider}/callback?error=invitation_required`);
    assert.match(await page.text(), /New accounts need an invitation/);
  });
}

test("an invitation that is over, or of a team that was deleted, lets no one in", async () => {
  await invite("tardy@example.org");
  platform.clock.advance(8 * DAY_MS);
  assert.equal(reasonOf(await signUp("tardy@example.org")), "invitation_required");
  const { email, password } = ADMIN;
  const login = await call("POST", "/v1/auth/login", { body: { email, password } });
  admin = { ...admin, token: String(login.body["token"]) };
  await invite("orphaned@example.org");
  const { token, team } = admin;
  assert.equal((await call("DELETE", `/v1/teams/${team}`, { token })).status, 204);
  assert.equal(reasonOf(await signUp("orphaned@example.org")), "invitation_required");
});
