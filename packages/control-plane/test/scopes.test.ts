import assert from "node:assert/strict";
import { after, test } from "node:test";
import { scopes } from "../src/http/identity.ts";
import { FurnishedHostAgent } from "./support/furnished-host-agent.ts";
import { Furnisher } from "./support/furnished-teams.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start({ host: new FurnishedHostAgent() });
after(() => platform[Symbol.asyncDispose]());
const furnisher = await Furnisher.open(platform);
const team = await furnisher.team("oursmarker");
const call = platform.call.bind(platform);

const lettingIn = [
  ["PUT", "ports/8080", { access: "public" }],
  ["POST", "ports/8080/link", {}],
] as const;

test("a key that runs capsules neither makes ports reachable nor changes what a capsule reaches", async () => {
  for (const [method, path, body] of [...lettingIn, ["PUT", "network", { egress: "allow" }] as const]) {
    const answer = await call(method, `/v1/capsules/${team.ids.capsule}/${path}`, {
      key: team.keys.run,
      body,
    });
    const scope = path === "network" ? "egress" : "ports";
    assert.deepEqual([answer.status, reasonOf(answer)], [403, "scope_missing"], path);
    assert.match(JSON.stringify(answer.body), new RegExp(`lacks the scope ${scope}`));
  }
});

test("keys for ports and for egress do that, and nothing else", async () => {
  const path = `/v1/capsules/${team.ids.capsule}`;
  for (const [method, place, body] of lettingIn) {
    const allowed = await call(method, `${path}/${place}`, { key: team.keys.ports, body });
    assert.ok(allowed.status < 300, JSON.stringify(allowed.body));
    assert.equal((await call(method, `${path}/${place}`, { key: team.keys.egress, body })).status, 403);
  }
  const network = { egress: "allow" };
  assert.equal((await call("PUT", `${path}/network`, { key: team.keys.egress, body: network })).status, 200);
  assert.equal((await call("PUT", `${path}/network`, { key: team.keys.ports, body: network })).status, 403);
  for (const key of [team.keys.ports, team.keys.egress]) {
    assert.equal((await call("GET", path, { key })).status, 403);
    assert.equal((await call("POST", `${path}/exec`, { key, body: { cmd: "true" } })).status, 403);
  }
});

test("a create with a network policy needs egress, unless the capsule reaches nothing", async () => {
  const { run, all } = team.keys;
  const create = async (key: string, network: object) =>
    await call("POST", "/v1/capsules", { key, body: { network } });
  for (const network of [{ egress: "allow" }, { egress: "deny", allow: ["example.org"] }, {}]) {
    const refused = await create(run, network);
    assert.equal(reasonOf(refused), "scope_missing", JSON.stringify(network));
  }
  const closed = await create(run, { egress: "deny" });
  assert.equal(closed.status, 201);
  await call("DELETE", `/v1/capsules/${String(closed.body["id"])}`, { key: all });
  const opened = await create(all, { egress: "deny", allow: ["example.org"] });
  assert.equal(opened.status, 201);
  await call("DELETE", `/v1/capsules/${String(opened.body["id"])}`, { key: all });
});

test("a new key has every scope, or those that were asked for", async () => {
  const { token } = team.people.owner;
  const all = await call("POST", "/v1/api-keys", { token, body: {} });
  assert.deepEqual(all.body["scopes"], [...scopes]);
  const some = await call("POST", "/v1/api-keys", { token, body: { scopes: ["read", "ports"] } });
  assert.deepEqual(some.body["scopes"], ["read", "ports"]);
  const unknown = await call("POST", "/v1/api-keys", { token, body: { scopes: ["root"] } });
  assert.equal(reasonOf(unknown), "invalid_field");
});
