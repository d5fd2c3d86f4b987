import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/** Rows of the contract that no other test shows (docs/reference/coverage.md). */
const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key } = platform;

const errorOf = (answer: Answer): readonly unknown[] => {
  const error = answer.body["error"] as { code?: string; message?: string } | undefined;
  return [answer.status, error?.code, error?.message];
};

test("credentials that are missing, wrong or of the wrong kind are refused in the contract's words", async () => {
  const none = await platform.call("GET", "/v1/capsules");
  assert.deepEqual(errorOf(none), [
    401,
    "unauthorized",
    "X-API-Key or Authorization: Bearer <token> required",
  ]);
  for (const wrong of ["nonsense", "", `wrn_${"0".repeat(32)}`]) {
    const refused = await platform.call("GET", "/v1/capsules", { key: wrong });
    assert.deepEqual(errorOf(refused).slice(0, 2), [401, "unauthorized"], wrong);
  }
  // A key is tried alone, also beside a token that is good.
  const { token } = await platform.person("both");
  const both = await platform.call("GET", "/v1/capsules", { key: `wrn_${"1".repeat(32)}`, token });
  assert.equal(both.status, 401);
  const person = await platform.call("GET", "/v1/me", { key });
  assert.equal(reasonOf(person), "session_required");
});

test("a profile is read and renamed, with a fresh token for the team that the person acts in", async () => {
  const { token, teamId, userId, email } = await platform.person("profile");
  const me = await platform.call("GET", "/v1/me", { token });
  assert.deepEqual([me.body["name"], me.body["email"], me.body["has_password"]], ["profile", email, true]);
  const renamed = await platform.call("PATCH", "/v1/me", { token, body: { name: "  Renamed  " } });
  assert.equal(renamed.status, 200, JSON.stringify(renamed.body));
  assert.deepEqual(
    ["name", "user_id", "team_id", "email"].map((field) => renamed.body[field]),
    ["Renamed", userId, teamId, email],
  );
  const again = await platform.call("GET", "/v1/me", { token: String(renamed.body["token"]) });
  assert.equal(again.body["name"], "Renamed");
  for (const name of ["", "x".repeat(101), 7]) {
    const refused = await platform.call("PATCH", "/v1/me", { token, body: { name } });
    assert.equal(refused.status, 400, JSON.stringify(name));
  }
});

test("a team is renamed by its owner, and a route of a team wants that the person acts in it", async () => {
  const { token, teamId } = await platform.person("renamer");
  assert.equal(
    (await platform.call("PATCH", `/v1/teams/${teamId}`, { token, body: { name: "New" } })).status,
    204,
  );
  const shown = await platform.call("GET", `/v1/teams/${teamId}`, { token });
  assert.equal((shown.body["team"] as { name: string }).name, "New");
  assert.equal((shown.body["members"] as readonly unknown[]).length, 1);
  const other = await platform.person("outsider");
  const refused = await platform.call("GET", `/v1/teams/${teamId}`, { token: other.token });
  assert.deepEqual(errorOf(refused).slice(0, 2), [403, "forbidden"]);
  assert.deepEqual(errorOf(await platform.call("GET", "/v1/teams/nonsense", { token })).slice(0, 2), [
    400,
    "invalid_request",
  ]);
});

test("revoking a key that is not there is fine, a bad id is not", async () => {
  const { token } = await platform.person("revoker");
  const absent = await platform.call("DELETE", "/v1/api-keys/key-0000000000000000000000000", { token });
  assert.equal(absent.status, 204);
  assert.equal((await platform.call("DELETE", "/v1/api-keys/nonsense", { token })).status, 400);
});

test("a ping counts for a running capsule only; ended capsules are read, not listed, and destroyed again", async () => {
  const made = await platform.call("POST", "/v1/capsules", { key, body: {} });
  const path = `/v1/capsules/${String(made.body["id"])}`;
  assert.equal(made.body["last_active_at"], undefined);
  assert.equal((await platform.call("POST", `${path}/ping`, { key })).status, 204);
  assert.notEqual((await platform.call("GET", path, { key })).body["last_active_at"], undefined);
  const resume = await platform.call("POST", `${path}/resume`, { key });
  assert.deepEqual(errorOf(resume).slice(0, 2), [409, "invalid_state"]);
  assert.equal((await platform.call("POST", `${path}/pause`, { key })).body["status"], "paused");
  const asleep = await platform.call("POST", `${path}/ping`, { key });
  assert.deepEqual(errorOf(asleep).slice(0, 2), [409, "invalid_state"]);
  assert.equal((await platform.call("POST", `${path}/resume`, { key })).body["status"], "running");
  for (let repeated = 0; repeated < 2; repeated++)
    assert.equal((await platform.call("DELETE", path, { key })).status, 204);
  assert.equal((await platform.call("GET", path, { key })).body["status"], "stopped");
  const listed = (await platform.call("GET", "/v1/capsules", { key })).body as unknown as { id: string }[];
  assert.equal(
    listed.some(({ id }) => id === made.body["id"]),
    false,
  );
  const metrics = await platform.call("GET", `${path}/metrics`, { key });
  assert.deepEqual(errorOf(metrics).slice(0, 2), [404, "not_found"]);
  assert.equal((await platform.call("GET", `${path}/metrics?range=3m`, { key })).status, 400);
  assert.equal((await platform.call("GET", "/v1/capsules/stats?range=2h", { key })).status, 400);
});

test("built-in templates are listed by type and cannot be deleted; unknown ones are not found", async () => {
  const names = async (query: string): Promise<readonly string[]> => {
    const { body } = await platform.call("GET", `/v1/snapshots${query}`, { key });
    return (body as unknown as { name: string; platform: boolean }[]).map(({ name }) => name);
  };
  assert.deepEqual(await names(""), ["minimal"]);
  assert.deepEqual(await names("?type=base"), ["minimal"]);
  assert.deepEqual(await names("?type=snapshot"), []);
  assert.equal((await platform.call("GET", "/v1/snapshots?type=other", { key })).status, 400);
  const own = await platform.call("DELETE", "/v1/snapshots/minimal", { key });
  assert.deepEqual(errorOf(own).slice(0, 2), [403, "forbidden"]);
  const unknown = await platform.call("DELETE", "/v1/snapshots/unknown", { key });
  assert.deepEqual(errorOf(unknown).slice(0, 2), [404, "not_found"]);
});

test("the description of the API comes as YAML, and JSON that is none is refused", async () => {
  assert.match(await platform.text("/openapi.yaml"), /^openapi: "?3\.1/m);
  const broken = await platform.call("POST", "/v1/capsules", { key, body: [] });
  assert.equal(broken.status, 400);
});
