import assert from "node:assert/strict";
import { after, test } from "node:test";
import { defined, formatId } from "@wrenn/core";
import { FurnishedHostAgent, furniture } from "./support/furnished-host-agent.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

const platform = await TestPlatform.start({ host: new FurnishedHostAgent() });
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);
const { db } = platform.database;

async function administrator(name: string): Promise<Person> {
  const person = await platform.person(name);
  await db.updateTable("users").set({ is_admin: true }).where("email", "=", person.email).execute();
  return person;
}
const root = await administrator("root");
const as = async ({ token }: Person, method: string, path: string, body?: object): Promise<Answer> =>
  await call(method, `/v1/admin${path}`, { token, ...defined({ body }) });

async function keyOf({ token }: Person): Promise<string> {
  return String((await call("POST", "/v1/api-keys", { token, body: {} })).body["key"]);
}

async function capsuleOf({ token }: Person): Promise<string> {
  const made = await call("POST", "/v1/capsules", { token, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return String(made.body["id"]);
}

interface Logged {
  readonly actor_id: string;
  readonly resource_id: string;
  readonly action: string;
  readonly status: string;
  readonly metadata: Readonly<Record<string, string>>;
}
async function logged(resource: string, action: string): Promise<readonly Logged[]> {
  const { body } = await as(root, "GET", `/audit-logs?resource_type=${resource}&action=${action}`);
  return body["items"] as Logged[];
}

test("whether somebody administers the platform is read at each request; keys never do", async () => {
  const admin = await administrator("fleeting");
  const key = await keyOf(admin);
  assert.equal((await as(admin, "GET", "/users")).status, 200);
  const by = await call("GET", "/v1/admin/users", { key });
  assert.deepEqual([by.status, reasonOf(by)], [401, "session_required"]);
  // Behind the back of every cache.
  await db.updateTable("users").set({ is_admin: false }).where("email", "=", admin.email).execute();
  const refused = await as(admin, "GET", "/users");
  assert.deepEqual([refused.status, reasonOf(refused)], [403, "admin_required"]);
});

test("users are listed with their teams, without deleted ones", async () => {
  const [owner, gone] = [await platform.person("counted"), await platform.person("departed")];
  await call("POST", "/v1/teams", { token: owner.token, body: { name: "second" } });
  await call("DELETE", "/v1/me", { token: gone.token, body: { confirmation: gone.email } });
  const { status, body } = await as(root, "GET", "/users");
  assert.equal(status, 200, JSON.stringify(body));
  const users = body["users"] as {
    email: string;
    teams_owned: number;
    teams_joined: number;
    status: string;
  }[];
  const listed = users.find(({ email }) => email === owner.email);
  assert.deepEqual([listed?.teams_owned, listed?.teams_joined, listed?.status], [2, 0, "active"]);
  assert.ok(!users.some(({ email }) => email === gone.email));
  assert.deepEqual(
    [body["total"], body["page"], body["per_page"], body["total_pages"]],
    [users.length, 1, 100, 1],
  );
  assert.deepEqual((await as(root, "GET", "/users?page=2")).body["users"], []);
  assert.equal((await as(root, "GET", "/users?page=0")).status, 400);
});

test("a deactivated user loses logins, keys and capsules at once, and can be let in again", async () => {
  const person = await platform.person("shutout");
  const key = await keyOf(person);
  const capsule = await capsuleOf(person);
  const path = `/users/${person.userId}/active`;
  assert.equal((await as(root, "PUT", path, { active: false })).status, 204);
  assert.equal(reasonOf(await call("GET", "/v1/me", { token: person.token })), "token_invalid");
  assert.equal(
    reasonOf(await call("POST", "/v1/auth/refresh", { cookie: person.cookie })),
    "refresh_token_invalid",
  );
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { key })), "api_key_invalid");
  assert.ok(!platform.host.capsules.has(capsule));
  const { email, password } = person;
  const login = async (): Promise<Answer> =>
    await call("POST", "/v1/auth/login", { body: { email, password } });
  assert.equal(reasonOf(await login()), "account_disabled");
  assert.equal((await as(root, "PUT", path, { active: false })).status, 204, "it may be repeated");
  assert.equal((await as(root, "PUT", path, { active: true })).status, 204);
  assert.equal((await login()).status, 200);
  const [off] = await logged("user", "deactivate");
  assert.deepEqual([off?.actor_id, off?.resource_id, off?.status], [root.userId, person.userId, "warning"]);
  assert.equal((await logged("user", "deactivate")).length, 1, "only what changed something");
  assert.equal((await logged("user", "activate"))[0]?.resource_id, person.userId);
  const own = await as(root, "PUT", `/users/${root.userId}/active`, { active: false });
  assert.deepEqual([own.status, reasonOf(own)], [400, "own_account"]);
});

test("an account that waits for its mail can be let in with a new password, but not be made an administrator before", async () => {
  const signUp = async (email: string): Promise<string> => {
    await call("POST", "/v1/auth/signup", { body: { email, password: "some password", name: "Waiting" } });
    const row = db
      .selectFrom("users")
      .select("id")
      .where("email", "=", email)
      .where("status", "=", "inactive");
    return (await row.orderBy("created_at", "desc").executeTakeFirstOrThrow()).id;
  };
  const id = formatId("user", await signUp("mailless@example.org"));
  const granted = await as(root, "PUT", `/users/${id}/admin`, { admin: true });
  assert.deepEqual([granted.status, reasonOf(granted)], [409, "user_not_active"]);
  assert.equal((await as(root, "PUT", `/users/${id}/active`, { active: true })).status, 204);
  const body = { email: "mailless@example.org", password: "some password" };
  assert.equal(
    reasonOf(await call("POST", "/v1/auth/login", { body })),
    "login_failed",
    "a stranger may have signed up",
  );
  const chosen = { token: platform.mailedToken(body.email), new_password: "chosen by the owner" };
  assert.equal((await call("POST", "/v1/me/password/reset/confirm", { body: chosen })).status, 204);
  const login = await call("POST", "/v1/auth/login", { body: { ...body, password: chosen.new_password } });
  assert.equal(login.status, 200);
});

test("administrators are made and unmade, with immediate effect", async () => {
  const person = await platform.person("promoted");
  const path = `/users/${person.userId}/admin`;
  assert.equal((await as(person, "GET", "/teams")).status, 403);
  assert.equal((await as(root, "PUT", path, { admin: true })).status, 204);
  assert.equal((await as(person, "GET", "/teams")).status, 200);
  assert.equal((await as(root, "PUT", path, { admin: false })).status, 204);
  assert.equal((await as(person, "GET", "/teams")).status, 403);
  assert.equal((await logged("user", "grant_admin"))[0]?.resource_id, person.userId);
  assert.equal((await logged("user", "revoke_admin"))[0]?.status, "warning");
  const unknown = `/users/usr-${"0".repeat(24)}1/admin`;
  assert.equal(reasonOf(await as(root, "PUT", unknown, { admin: true })), "account_not_found");
});

test("one administrator is always left, also when two take it from each other at once", async () => {
  const self = await as(root, "PUT", `/users/${root.userId}/admin`, { admin: false });
  assert.deepEqual([self.status, reasonOf(self)], [400, "last_admin_protected"]);
  for (let round = 0; round < 5; round++) {
    const other = await administrator(`rival-${round}`);
    const both =
      round % 2 === 0 ? (["admin", { admin: false }] as const) : (["active", { active: false }] as const);
    const answers = await Promise.all([
      as(root, "PUT", `/users/${other.userId}/${both[0]}`, both[1]),
      as(other, "PUT", `/users/${root.userId}/${both[0]}`, both[1]),
      call("DELETE", "/v1/me", { token: other.token, body: { confirmation: other.email } }),
    ]);
    const left = await db
      .selectFrom("users")
      .select("id")
      .where("is_admin", "=", true)
      .where("status", "=", "active")
      .execute();
    assert.equal(left.length, 1, JSON.stringify(answers.map(({ status, body }) => [status, body])));
    // Whoever it is, the first one is needed again.
    await db
      .updateTable("users")
      .set({ is_admin: true, status: "active" })
      .where("email", "=", root.email)
      .execute();
    await db.updateTable("users").set({ is_admin: false }).where("email", "=", other.email).execute();
    const { email, password } = root;
    const again = await call("POST", "/v1/auth/login", { body: { email, password } });
    assert.equal(again.status, 200, JSON.stringify(again.body));
    Object.assign(root, { token: String(again.body["token"]) });
  }
});

test("teams are listed with what they have, limited, given hosts of their own, and deleted", async () => {
  const person = await platform.person("teamed");
  const capsule = await capsuleOf(person);
  const teams = async (): Promise<readonly Record<string, unknown>[]> =>
    (await as(root, "GET", "/teams")).body["teams"] as Record<string, unknown>[];
  const listed = (await teams()).find(({ id }) => id === person.teamId);
  assert.deepEqual(
    [
      listed?.["owner_email"],
      listed?.["member_count"],
      listed?.["active_sandbox_count"],
      listed?.["deleted_at"],
    ],
    [person.email, 1, 1, null],
  );
  const path = `/teams/${person.teamId}`;
  const limited = await as(root, "PATCH", `${path}/limits`, { max_capsules: 1 });
  assert.equal(limited.status, 200, JSON.stringify(limited.body));
  assert.equal(limited.body["max_capsules"], 1);
  const more = await call("POST", "/v1/capsules", { token: person.token, body: {} });
  assert.equal(reasonOf(more), "quota_exceeded");
  assert.equal((await as(root, "PATCH", `${path}/limits`, { max_capsules: -1 })).status, 400);
  const detail = await as(root, "GET", path);
  assert.equal((detail.body["limits"] as Record<string, unknown>)["max_capsules"], 1);
  assert.equal((detail.body["members"] as Record<string, unknown>[])[0]?.["email"], person.email);
  assert.match((await logged("team", "limit"))[0]?.metadata["max_capsules"] ?? "", /^\d+ -> 1$/);

  assert.equal((await as(root, "PUT", `${path}/byoc`, { enabled: false })).status, 400);
  assert.equal((await as(root, "PUT", `${path}/byoc`, { enabled: true })).status, 204);
  const host = { type: "byoc", team_id: person.teamId };
  assert.equal((await call("POST", "/v1/hosts", { token: person.token, body: host })).status, 201);

  assert.equal((await as(root, "DELETE", path)).status, 204);
  assert.ok(!platform.host.capsules.has(capsule));
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { token: person.token })), "token_invalid");
  assert.equal((await logged("team", "delete"))[0]?.metadata["name"], listed?.["name"]);
  const afterwards = await teams();
  const firstGone = afterwards.findIndex((team) => team["deleted_at"] !== null);
  const rest = afterwards.slice(firstGone);
  assert.ok(firstGone > 0 && rest.every((team) => team["deleted_at"] !== null), "living ones first");
  assert.equal(typeof afterwards.find(({ id }) => id === person.teamId)?.["deleted_at"], "string");
  assert.equal(reasonOf(await as(root, "DELETE", path)), "team_not_found");
  const zero = `team-${"0".repeat(25)}`;
  assert.equal(reasonOf(await as(root, "DELETE", `/teams/${zero}`)), "platform_team_protected");
});

test("capsules of the platform are the administrators' own, and templates made of them are everybody's", async () => {
  const person = await platform.person("guest");
  const make = async (): Promise<string> => {
    const made = await as(root, "POST", "/capsules", {});
    assert.equal(made.status, 201, JSON.stringify(made.body));
    return String(made.body["id"]);
  };
  const listed = async (who: Person, path: string): Promise<readonly Record<string, unknown>[]> => {
    const { status, body } = await call("GET", `/v1${path}`, { token: who.token });
    assert.equal(status, 200, JSON.stringify(body));
    return body as unknown as Record<string, unknown>[];
  };
  const id = await make();
  assert.deepEqual(
    (await listed(root, "/admin/capsules")).map((one) => one["id"]),
    [id],
  );
  assert.deepEqual(await listed(root, "/capsules"), [], "they are not of the administrator's team");
  const foreign = await capsuleOf(person);
  assert.equal((await as(root, "GET", `/capsules/${foreign}`)).status, 404);
  const ran = await as(root, "POST", `/capsules/${id}/exec`, { cmd: "true" });
  assert.equal(ran.status, 200, JSON.stringify(ran.body));
  const file = await as(root, "POST", `/capsules/${id}/files/stat`, { path: furniture.file });
  assert.equal(file.status, 200, JSON.stringify(file.body));
  assert.equal((await as(root, "GET", `/capsules/${id}/metrics`)).status, 200);

  const shot = await as(root, "POST", `/capsules/${id}/snapshot`, { name: "shared" });
  assert.deepEqual([shot.status, shot.body["platform"]], [201, true], JSON.stringify(shot.body));
  assert.ok(!platform.host.capsules.has(id), "the capsule is gone");
  const seen = (await listed(person, "/snapshots")).find(({ name }) => name === "shared");
  assert.deepEqual([seen?.["platform"], seen?.["type"]], [true, "snapshot"]);
  const { token } = person;
  const body = { template: "shared" };
  assert.equal((await call("POST", "/v1/capsules", { token, body })).status, 201);
  const theirs = { sandbox_id: foreign, name: "shared" };
  assert.equal(
    reasonOf(await call("POST", "/v1/snapshots", { token, body: theirs })),
    "template_name_reserved",
  );
  assert.equal(reasonOf(await call("DELETE", "/v1/snapshots/shared", { token })), "template_protected");

  const second = await make();
  assert.equal(
    (await as(root, "POST", `/capsules/${second}/snapshot`, { name: "shared" })).status,
    201,
    "it is replaced",
  );
  const own = { sandbox_id: foreign, name: "their-own" };
  assert.equal((await call("POST", "/v1/snapshots", { token, body: own })).status, 201);
  const all = await listed(root, "/admin/templates");
  assert.deepEqual(
    all.map(({ name, team_id: team }) => [name, team]),
    [
      ["their-own", person.teamId],
      ["shared", `team-${"0".repeat(25)}`],
      ["minimal", `team-${"0".repeat(25)}`],
    ],
  );
  assert.equal(reasonOf(await as(root, "DELETE", "/templates/minimal")), "template_protected");
  assert.equal(reasonOf(await as(root, "DELETE", "/templates/their-own")), "template_not_found");
  assert.equal((await as(root, "DELETE", "/templates/shared")).status, 204);
  assert.equal(reasonOf(await call("POST", "/v1/capsules", { token, body })), "template_not_found");
  assert.equal((await logged("template", "delete"))[0]?.resource_id, "shared");
  assert.equal((await logged("sandbox", "create")).length, 2);

  const third = await make();
  assert.equal((await as(root, "DELETE", `/capsules/${third}`)).status, 204);
  assert.deepEqual(await listed(root, "/admin/capsules"), []);
});
