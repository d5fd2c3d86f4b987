import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { parseNetwork, withoutNested } from "../src/cidr.ts";
import { linkName, slotNumberIn, slotOf } from "../src/naming.ts";
import { compilePolicy } from "../src/policy-rules.ts";
import { parsePolicy } from "../src/policy.ts";

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

test("text that is neither an IPv4 network nor a name never reaches nftables", () => {
  for (const bad of [
    "::1",
    "1.2.3.4/33",
    "1.2.3.4; flush ruleset",
    "",
    "1.2.3.4/8/8",
    "1.2.3",
    "a b.com",
    "*.*.com",
    "x.*",
    "-a.com",
  ])
    assert.throws(() => parsePolicy({ egress: "deny", allow: [bad], deny: [] }), WrennError, bad);
});

test("a policy compiles to one transaction", () => {
  const compile = (egress: "allow" | "deny", allow: string[], deny: string[] = [], opened: string[] = []) =>
    compilePolicy(instance, parsePolicy({ egress, allow, deny }), 7, { opened });
  const flush = `add set inet wrenn reachable4 { type ipv4_addr; flags interval; }
flush set inet wrenn reachable4
flush set inet wrenn allow4
flush set inet wrenn deny4
flush set inet wrenn named4
flush chain inet wrenn by_name_nat
flush chain inet wrenn by_name_egress
flush chain inet wrenn default_egress
`;
  assert.equal(
    compile("deny", ["203.0.113.0/24"]),
    `${flush}add element inet wrenn allow4 { 203.0.113.0/24 }
add rule inet wrenn default_egress goto refuse
`,
  );
  assert.ok(
    compile("allow", [], [], ["10.1.0.0/16"]).includes("add element inet wrenn reachable4 { 10.1.0.0/16 }\n"),
  );
  const byName = compile("deny", ["example.com"]);
  assert.match(byName, /by_name_nat tcp dport 443 ip daddr @named4 dnat ip to 10\.11\.255\.254:15443\n/);
  assert.match(byName, /by_name_egress ct original ip daddr @named4 ct mark set 7 goto grant\n/);
  assert.match(compile("allow", [], ["*.example.com"]), /by_name_nat tcp dport 443 dnat ip to/);
});
