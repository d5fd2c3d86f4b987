import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Person } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

/** Lets somebody join a team as a member, and returns their token in it. */
async function join(owner: Person, guest: Person): Promise<string> {
  const body = { email: guest.email };
  const invited = await call("POST", `/v1/teams/${owner.teamId}/members`, { token: owner.token, body });
  assert.deepEqual([invited.status, invited.body["status"]], [202, "invited"]);
  const open = await call("GET", "/v1/invitations", { token: guest.token });
  const [invitation] = open.body as unknown as { id: string }[];
  const accept = `/v1/invitations/${invitation?.id}/accept`;
  assert.equal((await call("POST", accept, { token: guest.token })).status, 204);
  const team = { team_id: owner.teamId };
  const switched = await call("POST", "/v1/auth/switch-team", { token: guest.token, body: team });
  return String(switched.body["token"]);
}

async function keyOf(token: string): Promise<string> {
  return String((await call("POST", "/v1/api-keys", { token, body: {} })).body["key"]);
}

async function capsuleOf(token: string): Promise<string> {
  const made = await call("POST", "/v1/capsules", { token, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return String(made.body["id"]);
}

test("a deleted team takes its capsules and keys along, and lets nobody act in it", async () => {
  const [owner, guest] = [await platform.person("dora"), await platform.person("dirk")];
  const token = await join(owner, guest);
  const key = await keyOf(owner.token);
  const [first, second, foreign] = [
    await capsuleOf(owner.token),
    await capsuleOf(token),
    await capsuleOf(guest.token),
  ];
  const team = `/v1/teams/${owner.teamId}`;
  assert.equal(reasonOf(await call("DELETE", team, { token })), "role_missing");
  assert.equal(reasonOf(await call("DELETE", team, { token: guest.token })), "other_team");
  assert.equal(reasonOf(await call("DELETE", team, { key })), "session_required");
  assert.deepEqual([platform.host.capsules.has(first), platform.host.capsules.has(second)], [true, true]);

  assert.equal((await call("DELETE", team, { token: owner.token })).status, 204);
  const left = [first, second, foreign].map((id) => platform.host.capsules.has(id));
  assert.deepEqual(left, [false, false, true]);
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { key })), "api_key_invalid");
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { token })), "token_invalid");
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { token: owner.token })), "token_invalid");
  assert.equal((await call("GET", `/v1/capsules/${foreign}`, { token: guest.token })).status, 200);
  // Somebody without a team gets a new one.
  const again = await call("POST", "/v1/auth/login", { body: owner });
  assert.equal(again.status, 200, JSON.stringify(again.body));
  assert.notEqual(again.body["team_id"], owner.teamId);
});

test("a deleted account loses its logins, keys and places; its address is free", async () => {
  const [owner, guest] = [await platform.person("hera"), await platform.person("hugo")];
  const token = await join(owner, guest);
  const keys = [await keyOf(guest.token), await keyOf(token)];
  const capsule = await capsuleOf(guest.token);
  const wrong = { token, body: { confirmation: owner.email } };
  assert.equal(reasonOf(await call("DELETE", "/v1/me", wrong)), "confirmation_mismatch");
  const [key = ""] = keys;
  const byKey = { key, body: { confirmation: guest.email } };
  assert.equal(reasonOf(await call("DELETE", "/v1/me", byKey)), "session_required");
  const shared = { token: owner.token, body: { confirmation: owner.email } };
  assert.equal(reasonOf(await call("DELETE", "/v1/me", shared)), "owns_team_with_members");
  assert.equal((await call("GET", "/v1/me", { token: owner.token })).status, 200);

  const right = { token, body: { confirmation: guest.email.toUpperCase() } };
  assert.equal((await call("DELETE", "/v1/me", right)).status, 204);
  assert.equal(platform.host.capsules.has(capsule), false);
  for (const one of keys)
    assert.equal(reasonOf(await call("GET", "/v1/capsules", { key: one })), "api_key_invalid");
  assert.equal(reasonOf(await call("GET", "/v1/me", { token })), "token_invalid");
  const members = await call("GET", `/v1/teams/${owner.teamId}/members`, { token: owner.token });
  assert.equal((members.body as unknown as unknown[]).length, 1);
  assert.equal(reasonOf(await call("POST", "/v1/auth/login", { body: guest })), "login_failed");
  assert.notEqual((await platform.person("hugo")).userId, guest.userId);
});

test("the last administrator stays", async () => {
  const { token, email, userId } = await platform.person("root");
  const users = platform.database.db.updateTable("users").set({ is_admin: true });
  await users.where("email", "=", email).execute();
  platform.clock.advance(3000);
  const refused = await call("DELETE", "/v1/me", { token, body: { confirmation: email } });
  assert.equal(reasonOf(refused), "last_admin");
  assert.match(userId, /^usr-/);
});

test("search finds people of one's own teams only, and takes wildcards as letters", async () => {
  const [owner, guest] = [await platform.person("sara"), await platform.person("saul")];
  await platform.person("saulstranger");
  const find = async (email: string): Promise<unknown> => {
    const path = `/v1/users/search?email=${encodeURIComponent(email)}`;
    return (await call("GET", path, { token: owner.token })).body;
  };
  assert.deepEqual(await find("saul@"), []);
  await join(owner, guest);
  assert.deepEqual(await find("SAUL@ex"), [{ user_id: guest.userId, email: guest.email }]);
  assert.deepEqual(await find("sa%@ex"), []);
  assert.deepEqual(await find("sau_@ex"), []);
  assert.deepEqual(await find("saulstranger@"), []);
  const short = await call("GET", "/v1/users/search?email=saul", { token: owner.token });
  assert.equal(reasonOf(short), "invalid_field");
});
