import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { parseNetwork, withoutNested } from "../src/cidr.ts";
import { linkName, slotNumberIn, slotOf } from "../src/naming.ts";
import { compilePolicy } from "../src/policy.ts";

const instance = { id: "1a2b", block: 11, uidBase: 200_000 };

test("addresses and names derive from the slot number, up to the last", () => {
  assert.equal(slotOf(instance, 258).hostAddress, "10.11.1.2");
  assert.equal(slotOf(instance, 32_767).hostAddress, "10.11.127.255");
  assert.ok(linkName("1a2b", 32_767).length <= 15);
  assert.throws(() => slotOf(instance, 0), WrennError);
});

test("only names of the own instance are taken for slots", () => {
  assert.equal(slotNumberIn("1a2b", "wrenn-1a2b-7"), 7);
  assert.equal(slotNumberIn("1a2b", "wr-1a2b-7"), 7);
  for (const name of ["wrenn-ffff-7", "wrenn-1a2b-07", "wrenn-1a2b-99999", "eth0"])
    assert.equal(slotNumberIn("1a2b", name), undefined, name);
});

test("networks are normalised and nested ones dropped", () => {
  const networks = ["203.0.113.9", "203.0.113.8/29", "198.51.100.77/24"].map((n) => parseNetwork(n, "deny"));
  assert.deepEqual(
    withoutNested(networks).map((n) => n.text),
    ["198.51.100.0/24", "203.0.113.8/29"],
  );
});

test("text that is not an IPv4 network never reaches nftables", () => {
  for (const bad of ["::1", "1.2.3.4/33", "1.2.3.4; flush ruleset", "", "1.2.3.4/8/8"])
    assert.throws(() => compilePolicy({ egress: "deny", allow: [bad], deny: [] }), WrennError, bad);
});

test("a policy compiles to one transaction", () => {
  assert.equal(
    compilePolicy({ egress: "deny", allow: ["203.0.113.0/24"], deny: [] }),
    `flush set inet wrenn allow4
flush set inet wrenn deny4
add element inet wrenn allow4 { 203.0.113.0/24 }
flush chain inet wrenn default_egress
add rule inet wrenn default_egress reject with icmpx admin-prohibited
`,
  );
});
