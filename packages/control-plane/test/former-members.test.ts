import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { parseId, systemRandom } from "@wrenn/core";
import { sql } from "kysely";
import { joinTeam, listOf } from "./support/join-team.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);
const second = await platform.serve(undefined, systemRandom.uuid());

async function keyOf(token: string): Promise<string> {
  const made = await call("POST", "/v1/api-keys", {
    token,
    body: { name: "kept", scopes: ["read", "run", "manage"] },
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return String(made.body["key"]);
}

const admin = await platform.person("root");
await platform.database.db
  .updateTable("users")
  .set({ is_admin: true })
  .where("email", "=", admin.email)
  .execute();

/** Ways in which a membership of `guest` in a team of `owner` ends. */
const endings: Readonly<
  Record<string, (owner: Person, guest: Person, guestToken: string) => Promise<Answer>>
> = {
  "is removed": async (owner, guest) =>
    await call("DELETE", `/v1/teams/${owner.teamId}/members/${guest.userId}`, { token: owner.token }),
  leaves: async (owner, _guest, token) => await call("POST", `/v1/teams/${owner.teamId}/leave`, { token }),
  "deletes the account": async (_owner, guest) =>
    await call("DELETE", "/v1/me", { token: guest.token, body: { confirmation: guest.email } }),
  "is deactivated": async (_owner, guest) =>
    await call("PUT", `/v1/admin/users/${guest.userId}/active`, {
      token: admin.token,
      body: { active: false },
    }),
};

let people = 0;
for (const [what, end] of Object.entries(endings))
  test(`API keys of a member who ${what} end at once on every control plane`, async () => {
    people += 1;
    const [owner, guest] = [await platform.person(`owner${people}`), await platform.person(`guest${people}`)];
    const token = await joinTeam(platform, owner, guest, "admin");
    const [key, ownersKey] = [await keyOf(token), await keyOf(owner.token)];
    for (const url of [platform.url, second.url])
      assert.equal((await call("GET", "/v1/capsules", { key, url })).status, 200);

    const ended = await end(owner, guest, token);
    assert.ok([200, 204].includes(ended.status), JSON.stringify(ended.body));
    assert.equal(reasonOf(await call("GET", "/v1/capsules", { key })), "api_key_invalid");
    assert.equal(reasonOf(await call("POST", "/v1/capsules", { key, body: {} })), "api_key_invalid");
    // It remembers the key, and is notified.
    await eventually(
      "the other control plane refuses the key",
      async () => reasonOf(await call("GET", "/v1/capsules", { key, url: second.url })) === "api_key_invalid",
      { timeoutMs: 10_000 },
    );
    const keys = listOf(await call("GET", "/v1/api-keys", { token: owner.token }));
    assert.deepEqual(
      keys.map((row) => row["created_by"]),
      [owner.userId],
    );
    assert.equal((await call("GET", "/v1/capsules", { key: ownersKey })).status, 200);
  });

/** Status of the creation of a key. A request is destroyed with the access of its caller, like one that is refused. */
async function made(token: string): Promise<number> {
  try {
    return (await call("POST", "/v1/api-keys", { token, body: {} })).status;
  } catch {
    return 401;
  }
}

test("a key that is created while its creator is removed does not outlive the membership", async () => {
  const [owner, guest] = [await platform.person("rosa"), await platform.person("rob")];
  for (let round = 0; round < 5; round += 1) {
    const token = await joinTeam(platform, owner, guest, "member");
    const [removed, ...statuses] = await Promise.all([
      call("DELETE", `/v1/teams/${owner.teamId}/members/${guest.userId}`, { token: owner.token }),
      ...Array.from({ length: 4 }, async () => await made(token)),
    ]);
    assert.equal(removed.status, 204);
    for (const status of statuses) assert.ok([201, 401].includes(status), String(status));
    assert.deepEqual(listOf(await call("GET", "/v1/api-keys", { token: owner.token })), []);
  }
});

test("a key that is created while its creator is deactivated does not outlive the account", async () => {
  const person = await platform.person("dana");
  const active = `/v1/admin/users/${person.userId}/active`;
  const [deactivated, ...statuses] = await Promise.all([
    call("PUT", active, { token: admin.token, body: { active: false } }),
    ...Array.from({ length: 6 }, async () => await made(person.token)),
  ]);
  assert.equal(deactivated.status, 204);
  for (const status of statuses) assert.ok([201, 401, 403].includes(status), String(status));
  assert.equal((await call("PUT", active, { token: admin.token, body: { active: true } })).status, 204);
  const again = await call("POST", "/v1/auth/login", { body: person });
  assert.deepEqual(listOf(await call("GET", "/v1/api-keys", { token: String(again.body["token"]) })), []);
});

test("invitations of a former member, and of an admin who becomes a member, are withdrawn", async () => {
  const [owner, first, other, friend] = [
    await platform.person("ida"),
    await platform.person("ira"),
    await platform.person("ilse"),
    await platform.person("friend"),
  ];
  const invitations = `/v1/teams/${owner.teamId}/invitations`;
  const invite = async (token: string): Promise<void> => {
    const body = { email: friend.email, role: "admin" };
    assert.equal((await call("POST", invitations, { token, body })).status, 204);
    assert.equal(listOf(await call("GET", "/v1/invitations", { token: friend.token })).length, 1);
  };
  const open = async (): Promise<number> =>
    listOf(await call("GET", "/v1/invitations", { token: friend.token })).length;

  await invite(await joinTeam(platform, owner, first, "admin"));
  const member = (person: Person): string => `/v1/teams/${owner.teamId}/members/${person.userId}`;
  assert.equal((await call("DELETE", member(first), { token: owner.token })).status, 204);
  assert.equal(await open(), 0);

  await invite(await joinTeam(platform, owner, other, "admin"));
  const demoted = await call("PATCH", member(other), { token: owner.token, body: { role: "member" } });
  assert.equal(demoted.status, 204, JSON.stringify(demoted.body));
  assert.equal(await open(), 0);
});

test("a change of role leaves the API keys of a member as they are: no key may do what a member may not", async () => {
  const [owner, guest] = [await platform.person("rita"), await platform.person("rolf")];
  const key = await keyOf(await joinTeam(platform, owner, guest, "admin"));
  const path = `/v1/teams/${owner.teamId}/members/${guest.userId}`;
  assert.equal((await call("PATCH", path, { token: owner.token, body: { role: "member" } })).status, 204);
  assert.equal((await call("GET", "/v1/capsules", { key })).status, 200);
  // What needs a role needs a person.
  const invite = { key, body: { email: "new@example.org", role: "member" } };
  assert.equal(
    reasonOf(await call("POST", `/v1/teams/${owner.teamId}/invitations`, invite)),
    "session_required",
  );
});

/** A request whose body is held back until the returned function sends it. */
async function heldBack(
  method: string,
  path: string,
  token: string,
  body: string,
): Promise<() => Promise<string>> {
  const url = new URL(second.url);
  const socket = connect(Number(url.port), url.hostname);
  socket.on("error", () => undefined);
  let answer = "";
  socket.on("data", (data: Buffer) => (answer += data.toString()));
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  // It is admitted, and old enough to be looked at again.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  return async () => {
    socket.write(body);
    await eventually("an answer, or the end", () => answer !== "" || socket.closed);
    socket.destroy();
    return answer.split("\r\n")[0] ?? "";
  };
}

test("a request whose body is held back does nothing once the right to it has ended", async () => {
  const [owner, guest, victim] = [
    await platform.person("vera"),
    await platform.person("vito"),
    await platform.person("victim"),
  ];
  const token = await joinTeam(platform, owner, guest, "admin");
  await joinTeam(platform, owner, victim, "member");
  const member = (person: Person): string => `/v1/teams/${owner.teamId}/members/${person.userId}`;
  const role = async (): Promise<unknown> => {
    const members = listOf(await call("GET", `/v1/teams/${owner.teamId}/members`, { token: owner.token }));
    return members.find(({ email }) => email === victim.email)?.["role"];
  };
  const [promote, remove, allowed] = await Promise.all([
    heldBack("PATCH", member(victim), token, '{"role":"admin"}'),
    heldBack("DELETE", member(victim), token, "{}"),
    heldBack("PATCH", member(victim), owner.token, '{"role":"member"}'),
  ]);
  const demoted = await call("PATCH", member(guest), { token: owner.token, body: { role: "member" } });
  assert.equal(demoted.status, 204);
  assert.match(await promote(), / 403 /);
  assert.equal(await role(), "member");
  assert.equal((await call("DELETE", member(guest), { token: owner.token })).status, 204);
  // 403 where the login is still remembered, and the membership is not there.
  assert.match(await remove(), / 40[13] /);
  assert.equal(await role(), "member");
  assert.match(await allowed(), / 204 /);
});

test("a registration token of a host ends when an admin of its team loses the role", async () => {
  const [owner, guest] = [await platform.person("hugo"), await platform.person("hanna")];
  const login = await call("POST", "/v1/auth/login", { body: admin });
  const byoc = { token: String(login.body["token"]), body: { enabled: true } };
  assert.equal((await call("PUT", `/v1/admin/teams/${owner.teamId}/byoc`, byoc)).status, 204);
  const register = async (token: string): Promise<unknown> => {
    const body = { token, address: "192.0.2.1:1", arch: "amd64", csr_pem: "request" };
    const size = { cpu_cores: 1, memory_mb: 1, disk_gb: 1 };
    return reasonOf(await call("POST", "/v1/hosts/register", { body: { ...body, ...size } }));
  };
  for (const end of [{ role: "member" }, undefined]) {
    const token = await joinTeam(platform, owner, guest, "admin");
    const made = await call("POST", "/v1/hosts", { token, body: { type: "byoc", team_id: owner.teamId } });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const path = `/v1/teams/${owner.teamId}/members/${guest.userId}`;
    const by = { token: owner.token };
    const ended = end ? await call("PATCH", path, { ...by, body: end }) : await call("DELETE", path, by);
    assert.equal(ended.status, 204);
    assert.equal(await register(String(made.body["registration_token"])), "host_token_invalid");
    await call("DELETE", path, by);
  }
});

test("a team has at most 100 API keys, also by requests at the same moment", async () => {
  const owner = await platform.person("many");
  const [teamId, userId] = [parseId("team", owner.teamId), parseId("user", owner.userId)];
  await sql`insert into api_keys (id, team_id, name, key_hash, key_prefix, created_by)
    select gen_random_uuid(), ${teamId}, 'old', encode(sha256(n::text::bytea), 'hex'), 'wrn_', ${userId} from generate_series(1, 98) n`.execute(
    platform.database.db,
  );
  const urls = [platform.url, second.url, platform.url, second.url, platform.url, second.url];
  const answers = await Promise.all(
    urls.map((url) => call("POST", "/v1/api-keys", { token: owner.token, body: {}, url })),
  );
  assert.equal(answers.filter(({ status }) => status === 201).length, 2);
  assert.equal(answers.filter((answer) => reasonOf(answer) === "limit_reached").length, 4);
});
