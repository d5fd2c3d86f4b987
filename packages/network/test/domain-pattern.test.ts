import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WrennError } from "@wrenn/core";
import { parseDomain } from "../src/domain-pattern.ts";
import { judgeName } from "../src/gateway/judge-name.ts";
import { parsePolicy } from "../src/policy.ts";

test("a name is itself only, a wildcard everything below and not itself", () => {
  const one = parseDomain("Example.COM.", "allow");
  assert.equal(one.text, "example.com");
  assert.ok(one.matches("EXAMPLE.com"));
  assert.ok(one.matches("example.com."));
  for (const other of ["www.example.com", "notexample.com", "example.com.evil.net", "example.org"])
    assert.equal(one.matches(other), false, other);
  const below = parseDomain("*.example.com", "allow");
  assert.ok(below.matches("a.example.com"));
  assert.ok(below.matches("a.b.EXAMPLE.com"));
  for (const other of ["example.com", "badexample.com", ".com", ""])
    assert.equal(below.matches(other), false, other);
  assert.ok(parseDomain("*", "deny").matches("anything.at.all"));
});

test("names in other scripts are matched in their wire form", () => {
  assert.ok(parseDomain("bücher.example", "allow").matches("xn--bcher-kva.example"));
});

test("deny beats allow and egress decides the rest", () => {
  const policy = parsePolicy({ egress: "deny", allow: ["*.example.com"], deny: ["secret.example.com"] });
  assert.deepEqual(judgeName(policy, "www.example.com"), { allowed: true, rule: "allow *.example.com" });
  assert.deepEqual(judgeName(policy, "secret.example.com"), {
    allowed: false,
    rule: "deny secret.example.com",
  });
  assert.deepEqual(judgeName(policy, "example.org"), { allowed: false, rule: "egress deny" });
});

test("any text is a pattern or a typed error, and no pattern matches a name with another ending", () => {
  fc.assert(
    fc.property(fc.string(), fc.domain(), (text, name) => {
      try {
        const pattern = parseDomain(text, "allow");
        const suffix = pattern.text.replace(/^\*\.?/, "");
        assert.ok(!pattern.matches(name) || name.toLowerCase().endsWith(suffix));
      } catch (error) {
        assert.ok(error instanceof WrennError);
      }
    }),
  );
});
