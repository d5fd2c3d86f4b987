import assert from "node:assert/strict";
import { test } from "node:test";
import { clientDomainOf } from "../src/routing/client-domain.ts";
import { sandboxTargetOf } from "../src/routing/sandbox-target.ts";

const ID = "0123456789abcdefghjkmnpqr";
const DOMAIN = "wrenn.test";

test("hosts name a port of a sandbox, whatever their letter case, port and trailing dot", () => {
  const target = (host: string, headers: Readonly<Record<string, string>> = {}) =>
    sandboxTargetOf({ host, headers }, DOMAIN);
  for (const host of [
    `8000-${ID}.${DOMAIN}`,
    `8000-${ID.toUpperCase()}.Wrenn.Test:8443`,
    `8000-${ID}.${DOMAIN}.`,
  ])
    assert.deepEqual(target(host), { sandboxId: ID, port: 8000 }, host);
  const named = { "e2b-sandbox-id": "x".repeat(25), "e2b-sandbox-port": "1" };
  assert.deepEqual(target(`49983-${ID}.${DOMAIN}`, named), { sandboxId: ID, port: 49_983 });
  for (const port of ["0", "65536", "999999"])
    assert.deepEqual(target(`${port}-${ID}.${DOMAIN}`), { problem: "invalid sandbox port" }, port);
  const others = [
    `8000-cl-${ID}.${DOMAIN}`,
    `8000-${ID}.example.org`,
    `8000-${ID}.x.${DOMAIN}`,
    `8000-${ID}${DOMAIN}`,
    `8000-${ID}x.${DOMAIN}`,
    `-${ID}.${DOMAIN}`,
    `api.${DOMAIN}`,
    DOMAIN,
    "",
  ];
  for (const host of others) assert.equal(target(host, named), undefined, host);
  assert.deepEqual(target("[::1]:8080", named), { sandboxId: "x".repeat(25), port: 1 });
  assert.deepEqual(target("LOCALHOST:1", { "e2b-sandbox-id": ID }), {
    problem: "missing header E2b-Sandbox-Port",
  });
});

test("clients are given a domain only where a certificate for the names below it can be valid", () => {
  const cases: readonly (readonly ["http" | "https", string, number, string | undefined])[] = [
    ["https", DOMAIN, 443, DOMAIN],
    ["https", DOMAIN, 8443, `${DOMAIN}:8443`],
    ["http", DOMAIN, 8080, undefined],
    ["https", "localhost", 8443, undefined],
  ];
  for (const [scheme, domain, port, expected] of cases)
    assert.equal(clientDomainOf({ scheme, domain, port }), expected, `${scheme} ${domain} ${port}`);
});
