import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { TestContext } from "node:test";
import { formatId, parseId } from "@wrenn/core";
import { Accounts } from "../src/accounts/accounts.ts";
import { Passwords } from "../src/accounts/passwords.ts";
import { placeOf, refreshOf, SignInLab } from "./support/sign-in-lab.ts";
import { reasonOf } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

/* Passwords and rights that end while a log-in is under way: no login is left of it. */

const lab = await SignInLab.start();
after(() => lab[Symbol.asyncDispose]());
const { platform } = lab;
const { db } = platform.database;
const call = platform.call.bind(platform);

const admin = await platform.person("root");
await db.updateTable("users").set({ is_admin: true }).where("email", "=", admin.email).execute();

/** Logins of a person that live. */
async function liveLogins(userId: string): Promise<readonly string[]> {
  const sessions = db.selectFrom("sessions").select("id").where("user_id", "=", userId);
  return (await sessions.where("revoked_at", "is", null).execute()).map(({ id }) => id);
}

/** Lets the next password that is verified wait, with its answer, until `release` is called. */
function holdVerified(t: TestContext): { readonly reached: Promise<void>; readonly release: () => void } {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const verify = Object.getOwnPropertyDescriptor(Passwords.prototype, "verify")?.value as Passwords["verify"];
  t.mock.method(
    Passwords.prototype,
    "verify",
    async function (this: Passwords, ...given: Parameters<Passwords["verify"]>) {
      const isRight = await verify.apply(this, given);
      reached.resolve();
      await gate.promise;
      return isRight;
    },
    { times: 1 },
  );
  return { reached: reached.promise, release: gate.resolve };
}

async function reset({ email }: Person, password: string): Promise<void> {
  const asked = await call("POST", "/v1/me/password/reset", { body: { email } });
  assert.ok(asked.status < 300, JSON.stringify(asked.body));
  await platform.settle();
  const body = { token: platform.mailedToken(email), new_password: password };
  const done = await call("POST", "/v1/me/password/reset/confirm", { body });
  assert.ok(done.status < 300, JSON.stringify(done.body));
}

const deactivate = async ({ userId }: Pick<Person, "userId">): Promise<void> => {
  const token = String((await call("POST", "/v1/auth/login", { body: admin })).body["token"]);
  const body = { active: false };
  assert.equal((await call("PUT", `/v1/admin/users/${userId}/active`, { token, body })).status, 204);
};

for (const [what, end, reason, left] of [
  [
    "the password is reset",
    async (person: Person) => await reset(person, "another password"),
    "login_failed",
    0,
  ],
  [
    "the password is changed",
    async ({ token, password }: Person) => {
      const body = { current_password: password, new_password: "another password" };
      assert.equal((await call("POST", "/v1/me/password", { token, body })).status, 204);
    },
    "login_failed",
    1,
  ],
  ["the account is deactivated", deactivate, "account_disabled", 0],
] as const)
  test(`a log-in with the password that was right before ${what} leaves no login`, async (t) => {
    const person = await platform.person(`racer${left}${reason.length}${what.length}`);
    const { reached, release } = holdVerified(t);
    const login = call("POST", "/v1/auth/login", { body: person });
    await reached;
    await end(person);
    release();
    const answer: Answer = await login;
    assert.equal(reasonOf(answer), reason, JSON.stringify(answer.body));
    assert.equal((await liveLogins(parseId("user", person.userId))).length, left);
  });

test("a change of the password that began before a reset does not replace the one of the reset", async (t) => {
  const person = await platform.person("careful");
  const { reached, release } = holdVerified(t);
  const body = { current_password: person.password, new_password: "the thief's password" };
  // The connection ends with the login.
  const change = call("POST", "/v1/me/password", { token: person.token, body }).catch(() => undefined);
  await reached;
  await reset(person, "the owner's password");
  release();
  const answer = await change;
  if (answer) assert.equal(reasonOf(answer), "wrong_password");
  await platform.settle();
  const login = async (password: string): Promise<number> =>
    (await call("POST", "/v1/auth/login", { body: { ...person, password } })).status;
  assert.equal(await login("the owner's password"), 200);
  assert.equal(await login("the thief's password"), 401);
});

for (const [what, end, place] of [
  ["the account is deactivated", deactivate, "account_deactivated"],
  [
    "the provider is disconnected",
    async ({ userId }: Pick<Person, "userId">) => {
      await db.deleteFrom("user_identities").where("user_id", "=", parseId("user", userId)).execute();
    },
    "no_account",
  ],
] as const)
  test(`a log-in by a provider that began before ${what} leaves no login`, async (t) => {
    const { email } = lab.newPerson(`by-${place.replace("_", "-")}`);
    await lab.signUp("github");
    const found = db.selectFrom("users").select("id").where("email", "=", email);
    const { id } = await found.executeTakeFirstOrThrow();
    await db.updateTable("sessions").set({ revoked_at: new Date() }).where("user_id", "=", id).execute();
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const open = Object.getOwnPropertyDescriptor(Accounts.prototype, "openSession")
      ?.value as Accounts["openSession"];
    t.mock.method(
      Accounts.prototype,
      "openSession",
      async function (this: Accounts, ...given: Parameters<Accounts["openSession"]>) {
        reached.resolve();
        await gate.promise;
        return await open.apply(this, given);
      },
      { times: 1 },
    );
    const coming = lab.signIn("github", "login");
    await reached.promise;
    await end({ userId: formatId("user", id) });
    gate.resolve();
    const answer = await coming;
    assert.match(placeOf(answer), new RegExp(place));
    assert.equal(refreshOf(answer), undefined);
    assert.deepEqual(await liveLogins(id), []);
  });
