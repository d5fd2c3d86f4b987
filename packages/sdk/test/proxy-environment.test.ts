import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyFor } from "../src/node/proxy-environment.ts";

const HTTPS = { HTTPS_PROXY: "http://proxy.test:3128" };

function proxy(url: string, variables: Readonly<Record<string, string>>): string | undefined {
  return proxyFor(new URL(url), (name) => variables[name]);
}

test("the protocol of the server chooses the proxy; lower case wins", () => {
  const both = { HTTP_PROXY: "http://a.test", HTTPS_PROXY: "http://b.test" };
  assert.equal(proxy("http://wrenn.test", both), "http://a.test");
  assert.equal(proxy("https://wrenn.test", both), "http://b.test");
  assert.equal(proxy("https://wrenn.test", { ...both, https_proxy: "https://c.test" }), "https://c.test");
  assert.equal(proxy("http://wrenn.test", HTTPS), undefined);
  assert.equal(proxy("https://wrenn.test", { HTTPS_PROXY: "" }), undefined);
});

test("a proxy without a scheme speaks HTTP", () => {
  assert.equal(proxy("https://wrenn.test", { HTTPS_PROXY: "proxy.test:3128" }), "http://proxy.test:3128");
});

const exceptions: readonly (readonly [string, string, boolean])[] = [
  ["wrenn.test", "https://wrenn.test", true],
  ["WRENN.test", "https://wrenn.TEST", true],
  ["wrenn.test", "https://api.wrenn.test", true],
  [".wrenn.test", "https://api.wrenn.test", true],
  ["*.wrenn.test", "https://api.wrenn.test", true],
  ["wrenn.test", "https://notwrenn.test", false],
  ["*", "https://wrenn.test", true],
  ["other.test, wrenn.test", "https://wrenn.test", true],
  ["other.test wrenn.test", "https://wrenn.test", true],
  ["wrenn.test:443", "https://wrenn.test", true],
  ["wrenn.test:8443", "https://wrenn.test", false],
  ["wrenn.test:8443", "https://wrenn.test:8443", true],
  ["10.1.2.3", "https://10.1.2.3", true],
  ["2.3", "https://10.1.2.3", false],
  ["10.0.0.0/8", "https://10.1.2.3", true],
  ["10.0.0.0/8", "https://11.1.2.3", false],
  ["10.0.0.0/99", "https://10.1.2.3", false],
  ["fd00::/8", "https://[fd00::1]", true],
  ["[fd00::1]", "https://[fd00::1]:443", true],
  ["fd00::1", "https://[fd00::1]", true],
  ["", "https://wrenn.test", false],
];
for (const [exception, url, isDirect] of exceptions) {
  test(`NO_PROXY '${exception}' ${isDirect ? "excepts" : "does not except"} ${url}`, () => {
    const found = proxy(url, { ...HTTPS, NO_PROXY: exception });
    assert.equal(found, isDirect ? undefined : HTTPS.HTTPS_PROXY);
  });
}

test("this machine is reached without a proxy", () => {
  for (const host of ["localhost", "capsule.localhost", "127.0.0.1", "127.8.9.10", "[::1]"])
    assert.equal(proxy(`https://${host}:8080`, HTTPS), undefined, host);
  assert.equal(proxy("https://localhost.test", HTTPS), HTTPS.HTTPS_PROXY);
});
