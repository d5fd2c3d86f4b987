import assert from "node:assert/strict";
import { test } from "node:test";
import { TrustedProxies } from "@wrenn/core";

/** Entries of `X-Forwarded-For` that name no address. */
const ODD = [
  "",
  "unknown",
  "_hidden",
  "1.2.3.4.5",
  "198.51.100.1,",
  "198.51.100.1:x",
  "[::1",
  "[unknown]:80",
  "a:80",
];

const proxies = TrustedProxies.parse("WRENN_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8,2001:db8:7::/48");

function request(remoteAddress: string, headers: Readonly<Record<string, string>> = {}, encrypted = false) {
  return { headers, socket: { remoteAddress, encrypted } };
}

test("the client is the last forwarded address that is not a trusted proxy", () => {
  const of = (peer: string, list: string): string =>
    proxies.addressOf(request(peer, { "x-forwarded-for": list }));
  assert.equal(of("127.0.0.1", "198.51.100.1"), "198.51.100.1");
  assert.equal(
    of("::ffff:127.0.0.1", "203.0.113.9, 198.51.100.1"),
    "198.51.100.1",
    "the first is the client's claim",
  );
  assert.equal(of("10.1.1.1", "203.0.113.9, 198.51.100.1, 10.2.2.2"), "198.51.100.1");
  assert.equal(of("2001:db8:7::1", "2001:db8:9::5"), "2001:db8:9::5");
  assert.equal(of("10.1.1.1", "10.3.3.3"), "10.3.3.3");
  for (const [spelling, address] of [
    ["198.51.100.1:80", "198.51.100.1"],
    ["[2001:db8:9::5]:65535", "2001:db8:9::5"],
    ["[2001:db8:9::5]", "2001:db8:9::5"],
    ["2001:DB8:9:0::5", "2001:db8:9::5"],
    ["fe80::5%eth0", "fe80::5"],
    ["::ffff:c633:6401", "198.51.100.1"],
    ["198.51.100.1, 10.2.2.2:4711", "198.51.100.1"],
  ] as const)
    assert.equal(of("10.1.1.1", spelling), address, spelling);
  for (const odd of ODD) assert.equal(of("10.1.1.1", odd), "10.1.1.1", odd);
});

test("what others than trusted proxies say about themselves is not believed", () => {
  const said = {
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "wrenn.example.org",
  };
  for (const all of [proxies, TrustedProxies.none]) {
    const asked = request("198.51.100.1", said);
    assert.equal(all.addressOf(asked), "198.51.100.1");
    assert.equal(all.protocolOf(asked), "http");
    assert.equal(all.forwardedHost(asked), undefined);
    assert.equal(all.isLocal(asked), false);
  }
});

test("protocol and host are the trusted proxy's last word, and only when they are well formed", () => {
  const of = (proto: string, host: string) => {
    const asked = request("10.1.1.1", { "x-forwarded-proto": proto, "x-forwarded-host": host });
    return [proxies.protocolOf(asked), proxies.forwardedHost(asked)];
  };
  assert.deepEqual(of("http, https", "evil.example, wrenn.example.org:8443"), [
    "https",
    "wrenn.example.org:8443",
  ]);
  assert.deepEqual(of("ftp", "a/b"), ["http", undefined]);
  assert.equal(proxies.protocolOf(request("10.1.1.1", {}, true)), "https");
});

test("a proxy of this machine does not make the world local", () => {
  const none = TrustedProxies.none;
  assert.equal(none.isLocal(request("127.0.0.1")), true);
  assert.equal(none.isLocal(request("::1")), true);
  for (const field of ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host"])
    assert.equal(none.isLocal(request("127.0.0.1", { [field]: "198.51.100.1" })), false, field);
  assert.equal(proxies.isLocal(request("127.0.0.1", { "x-forwarded-for": "198.51.100.1" })), false);
  assert.equal(proxies.isLocal(request("127.0.0.1", { "x-forwarded-for": "127.0.0.1" })), true);
});

test("a program of this machine asks for this machine, and not by way of a plain proxy", () => {
  const none = TrustedProxies.none;
  for (const host of ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080"])
    assert.equal(none.isLocal(request("127.0.0.1", { host })), true, host);
  for (const host of [
    "wrenn.example.org",
    "localhost.example.org",
    "127.0.0.1.example.org",
    "10.0.0.1:8080",
  ]) {
    assert.equal(none.isLocal(request("127.0.0.1", { host })), false, host);
    assert.equal(none.isLocal(request("127.0.0.1", { ":authority": host })), false, host);
  }
  const oldProxy = { ...request("127.0.0.1", { host: "127.0.0.1:8080" }), httpVersion: "1.0" };
  assert.equal(none.isLocal(oldProxy), false, "as nginx asks by default");
  assert.equal(proxies.isLocal(request("127.0.0.1", { host: "localhost" })), false, "it names no client");
});

test("proxies are addresses and networks; everything else is refused", () => {
  for (const wrong of [
    "",
    "*",
    "10.0.0.0/0",
    "10.0.0.0/33",
    "::/0",
    "::1/129",
    "localhost",
    "10.0.0.1,",
    "10.0.0.0/8/8",
    "10.0.0.0/x",
  ])
    assert.throws(
      () => TrustedProxies.parse("WRENN_TRUSTED_PROXIES", wrong),
      { reason: "invalid_field" },
      wrong,
    );
});
