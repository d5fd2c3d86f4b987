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

test("a create needs egress only for what reaches more than its template lets it", async () => {
  const { run, all } = team.keys;
  const create = async (key: string, body: object): Promise<unknown> => {
    const answer = await call("POST", "/v1/capsules", { key, body });
    if (answer.status !== 201) return reasonOf(answer);
    const path = `/v1/capsules/${String(answer.body["id"])}`;
    const { body: network } = await call("GET", `${path}/network`, { key: all });
    await call("DELETE", path, { key: all });
    return network;
  };
  const rules = { egress: "allow", allow: [], deny: [] };
  const narrow = { egress: "deny", allow: ["example.org"], deny: ["192.0.2.0/24"] };
  // A capsule without a policy reaches everything: every policy is narrower.
  for (const network of [rules, narrow, { egress: "deny" }, { deny: ["example.org"] }])
    assert.deepEqual(await create(run, { network }), { ...rules, ...network });

  // A template keeps the policy of its source, and only `egress` widens it.
  const templateOf = async (name: string, network: object): Promise<string> => {
    const made = await call("POST", "/v1/capsules", { key: all, body: { network } });
    const id = String(made.body["id"]);
    for (const query of ["", "?overwrite=true"]) {
      const snapshot = await call("POST", `/v1/snapshots${query}`, {
        key: all,
        body: { sandbox_id: id, name },
      });
      assert.equal(snapshot.status, 201, JSON.stringify(snapshot.body));
    }
    await call("DELETE", `/v1/capsules/${id}`, { key: all });
    return name;
  };
  const template = await templateOf("narrow", narrow);
  assert.deepEqual(await create(run, { template }), narrow);
  const within = { egress: "deny", allow: [], deny: [] };
  assert.deepEqual(await create(run, { template, network: within }), within);
  const less = { egress: "deny", allow: ["example.org"], deny: ["192.0.2.0/24", "198.51.100.1"] };
  assert.deepEqual(await create(run, { template, network: less }), less);
  const wider = [
    {},
    { ...narrow, egress: "allow" },
    { ...narrow, deny: [] },
    { ...narrow, allow: ["example.org", "example.com"] },
    { ...narrow, allow: ["*.example.org"] },
  ];
  for (const network of wider) {
    assert.equal(await create(run, { template, network }), "scope_missing", JSON.stringify(network));
    assert.deepEqual(await create(all, { template, network }), { ...rules, ...network });
  }
  const denying = await templateOf("denying", { deny: ["192.0.2.0/24"] });
  assert.equal(await create(run, { template: denying, network: {} }), "scope_missing");
  const denied = { egress: "allow", allow: ["example.org"], deny: ["192.0.2.0/24"] };
  assert.deepEqual(await create(run, { template: denying, network: denied }), denied);
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
