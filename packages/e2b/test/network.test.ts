import assert from "node:assert/strict";
import { test } from "node:test";
import { egressRules, networkJson } from "../src/network/network-fields.ts";
import { subtractNetworks } from "../src/network/subtract-networks.ts";

test("what is allowed wins over what is denied", () => {
  assert.deepEqual(egressRules({}), undefined);
  assert.deepEqual(egressRules({ allowsInternet: false }), { egress: "deny", allow: [], deny: [] });
  assert.deepEqual(egressRules({ denyOut: ["0.0.0.0/0"], allowOut: ["*.example.org", "192.0.2.1"] }), {
    egress: "deny",
    allow: ["*.example.org", "192.0.2.1"],
    deny: [],
  });
  assert.deepEqual(egressRules({ denyOut: ["192.0.2.0/30"], allowOut: ["192.0.2.1"] }), {
    egress: "allow",
    allow: [],
    deny: ["192.0.2.0/32", "192.0.2.2/31"],
  });
  assert.deepEqual(egressRules({ denyOut: ["0.0.0.0/0"], allowOut: ["0.0.0.0/0"] })?.egress, "allow");
});

test("names are allowed only where everything else is denied, and never denied", () => {
  for (const request of [{ allowOut: ["example.org"] }, { denyOut: ["example.org"] }])
    assert.throws(() => egressRules(request), { reason: "invalid_field" });
});

test("networks are subtracted exactly", () => {
  assert.deepEqual(subtractNetworks(["10.0.0.0/8"], ["10.0.0.0/8"]), []);
  assert.deepEqual(subtractNetworks(["10.0.0.0/8"], ["0.0.0.0/0"]), []);
  assert.deepEqual(subtractNetworks(["192.0.2.7"], ["198.51.100.0/24"]), ["192.0.2.7/32"]);
  const left = subtractNetworks(["0.0.0.0/0"], ["128.0.0.0/1", "1.2.3.4"]);
  assert.equal(left.length, 31);
  const addresses = left.reduce((sum, text) => sum + 2 ** (32 - Number(text.split("/")[1])), 0);
  assert.equal(addresses, 2 ** 31 - 1);
});

test("rules are shown as clients write them", () => {
  assert.deepEqual(networkJson({ egress: "deny", allow: ["a.example"], deny: [] }, { ports: "token" }), {
    allowOut: ["a.example"],
    denyOut: ["0.0.0.0/0"],
    allowPublicTraffic: false,
  });
});
