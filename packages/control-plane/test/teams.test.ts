import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Person } from "./support/test-platform.ts";
import { joinTeam, listOf } from "./support/join-team.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

const join = async (owner: Person, guest: Person, role: "admin" | "member"): Promise<string> =>
  await joinTeam(platform, owner, guest, role);

test("people join by accepting an invitation, see the team, and lose it at once when they are removed", async () => {
  const [owner, guest] = [await platform.person("olga"), await platform.person("gus")];
  const refused = { token: guest.token, body: { team_id: owner.teamId } };
  assert.equal(reasonOf(await call("POST", "/v1/auth/switch-team", refused)), "not_a_member");
  const token = await join(owner, guest, "member");
  const members = listOf(await call("GET", `/v1/teams/${owner.teamId}/members`, { token }));
  assert.deepEqual(
    members.map((member) => [member["email"], member["role"]]),
    [
      [owner.email, "owner"],
      [guest.email, "member"],
    ],
  );
  assert.equal((await call("GET", "/v1/capsules", { token })).status, 200);
  const path = `/v1/teams/${owner.teamId}/members/${guest.userId}`;
  assert.equal((await call("DELETE", path, { token: owner.token })).status, 204);
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { token })), "token_invalid");
  assert.equal((await call("GET", "/v1/capsules", { token: guest.token })).status, 200);
});

test("an invitation is for its address only, and can be declined or withdrawn", async () => {
  const [owner, guest, other] = [
    await platform.person("ina"),
    await platform.person("ivo"),
    await platform.person("mallory"),
  ];
  const path = `/v1/teams/${owner.teamId}/invitations`;
  const body = { email: guest.email };
  await call("POST", path, { token: owner.token, body });
  const [first] = listOf(await call("GET", path, { token: owner.token }));
  const id = String(first?.["id"]);
  const stolen = await call("POST", `/v1/invitations/${id}/accept`, { token: other.token });
  assert.equal(reasonOf(stolen), "invitation_not_found");
  assert.equal((await call("POST", `/v1/invitations/${id}/decline`, { token: guest.token })).status, 204);
  const late = await call("POST", `/v1/invitations/${id}/accept`, { token: guest.token });
  assert.equal(reasonOf(late), "invitation_not_found");
  await call("POST", path, { token: owner.token, body });
  const [second] = listOf(await call("GET", path, { token: owner.token }));
  const withdraw = `${path}/${String(second?.["id"])}`;
  assert.equal((await call("DELETE", withdraw, { token: owner.token })).status, 204);
  assert.deepEqual(listOf(await call("GET", "/v1/invitations", { token: guest.token })), []);
});

test("members cannot change a team, admins cannot change its owner, and the owner cannot leave", async () => {
  const [owner, guest] = [await platform.person("otto"), await platform.person("ada")];
  const token = await join(owner, guest, "member");
  const team = `/v1/teams/${owner.teamId}`;
  const rename = { token, body: { name: "Ours now" } };
  assert.equal(reasonOf(await call("PATCH", team, rename)), "role_missing");
  const promote = { token: owner.token, body: { role: "admin" } };
  assert.equal((await call("PATCH", `${team}/members/${guest.userId}`, promote)).status, 204);
  assert.equal((await call("PATCH", team, rename)).status, 204);
  assert.equal(
    reasonOf(await call("DELETE", `${team}/members/${owner.userId}`, { token })),
    "owner_protected",
  );
  assert.equal(reasonOf(await call("POST", `${team}/leave`, { token: owner.token })), "owner_protected");
  const nobody = `${team}/members/usr-${"0".repeat(25)}`;
  assert.equal(reasonOf(await call("DELETE", nobody, { token })), "member_not_found");
  assert.equal(reasonOf(await call("GET", `/v1/teams/${guest.teamId}`, { token })), "other_team");
  const { body } = await call("GET", team, { token });
  assert.equal((body["team"] as { name: string }).name, "Ours now");
});

test("a created team is listed with its role", async () => {
  const { token } = await platform.person("tess");
  const made = await call("POST", "/v1/teams", { token, body: { name: "Second team" } });
  assert.deepEqual([made.status, made.body["role"]], [201, "owner"]);
  const names = listOf(await call("GET", "/v1/teams", { token })).map((team) => team["name"]);
  assert.deepEqual(names, ["tess's Team", "Second team"]);
  const bad = await call("POST", "/v1/teams", { token, body: { name: "  " } });
  assert.equal(reasonOf(bad), "invalid_field");
});

test("a key is shown once, works within its scopes until it expires or is revoked", async () => {
  const { token } = await platform.person("kim");
  const body = { name: "reader", scopes: ["read"], expires_in_sec: 3600 };
  const made = await call("POST", "/v1/api-keys", { token, body });
  assert.equal(made.status, 201);
  const key = String(made.body["key"]);
  const [listed] = listOf(await call("GET", "/v1/api-keys", { token }));
  assert.equal(listed?.["key"], undefined);
  assert.equal(listed?.["creator_email"], "kim@example.org");
  assert.equal((await call("GET", "/v1/capsules", { key })).status, 200);
  assert.equal(reasonOf(await call("POST", "/v1/capsules", { key, body: {} })), "scope_missing");
  assert.equal(reasonOf(await call("GET", "/v1/api-keys", { key })), "session_required");
  assert.equal((await call("DELETE", `/v1/api-keys/${String(made.body["id"])}`, { token })).status, 204);
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { key })), "api_key_invalid");

  const short = await call("POST", "/v1/api-keys", { token, body: { expires_in_sec: 60 } });
  const brief = String(short.body["key"]);
  assert.equal((await call("GET", "/v1/capsules", { key: brief })).status, 200);
  platform.clock.advance(61_000);
  assert.equal(reasonOf(await call("GET", "/v1/capsules", { key: brief })), "api_key_invalid");
});

test("members neither see nor revoke the keys of others, and no team those of another", async () => {
  const [owner, guest, stranger] = [
    await platform.person("oona"),
    await platform.person("greg"),
    await platform.person("sid"),
  ];
  const made = await call("POST", "/v1/api-keys", { token: owner.token, body: {} });
  const path = `/v1/api-keys/${String(made.body["id"])}`;
  const token = await join(owner, guest, "member");
  assert.deepEqual(listOf(await call("GET", "/v1/api-keys", { token })), []);
  assert.equal(reasonOf(await call("DELETE", path, { token })), "api_key_not_found");
  assert.equal((await call("DELETE", path, { token: stranger.token })).status, 204);
  assert.equal((await call("GET", "/v1/capsules", { key: String(made.body["key"]) })).status, 200);
});

test("one person owns twenty teams at most, also by requests at the same moment", async () => {
  const { token } = await platform.person("founder");
  const answers = await Promise.all(
    Array.from({ length: 25 }, (_, n) => call("POST", "/v1/teams", { token, body: { name: `Team ${n}` } })),
  );
  assert.equal(answers.filter(({ status }) => status === 201).length, 19, "and the one of the sign-up");
  assert.ok(answers.every((answer) => answer.status === 201 || reasonOf(answer) === "limit_reached"));
});

test("the audit log is paged without gaps, filtered, and shows members less", async () => {
  const [owner, guest] = [await platform.person("aud"), await platform.person("itor")];
  const token = await join(owner, guest, "member");
  for (const name of ["one", "two", "three"])
    await call("POST", "/v1/api-keys", { token: owner.token, body: { name } });
  const seen: string[] = [];
  let next: string | undefined;
  for (let pages = 0; pages < 10; pages++) {
    const after = next === undefined ? "" : `&before_id=${next}`;
    const { body } = await call("GET", `/v1/audit-logs?limit=2${after}`, { token: owner.token });
    seen.push(...(body["items"] as { action: string }[]).map((item) => item.action));
    next = body["next_before_id"] as string | undefined;
    if (next === undefined) break;
  }
  assert.deepEqual(seen, ["create", "create", "create", "join", "invite"]);
  const at = async (before: string) =>
    await call("GET", `/v1/audit-logs?before=${encodeURIComponent(before)}`, { token: owner.token });
  assert.equal(((await at("2999-01-01T00:00:00.5+02:00")).body["items"] as unknown[]).length, 5);
  assert.deepEqual((await at("2001-01-01T00:00:00Z")).body, { items: [] });
  for (const bad of ["yesterday", "2026-13-01T00:00:00Z", "2026-01-01"])
    assert.equal(reasonOf(await at(bad)), "invalid_field");
  const mine = await call("GET", "/v1/audit-logs", { token });
  assert.equal((mine.body["items"] as unknown[]).length, 3);
  const joins = await call("GET", "/v1/audit-logs?action=join,leave", { token: owner.token });
  assert.deepEqual(
    (joins.body["items"] as Record<string, unknown>[]).map((item) => item["actor_name"]),
    ["itor"],
  );
});
