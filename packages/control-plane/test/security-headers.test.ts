import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { TrustedProxies } from "@wrenn/core";
import { RouteList } from "./support/route-list.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* Every answer of the platform says what browsers may do with it: of every route, of what is no route, and of the WebSockets. */

using list = new RouteList();
const platform = await TestPlatform.start({
  rates: { perAddress: undefined, perKey: undefined },
  proxies: TrustedProxies.parse("proxies", "127.0.99.9"),
});
after(() => platform[Symbol.asyncDispose]());
const { token } = await platform.person("visitor");

type Fields = Readonly<Record<string, string | undefined>>;

function assertGuarded(headers: Fields, what: string): void {
  const policy = headers["content-security-policy"] ?? "";
  assert.match(policy, /^default-src 'none';.*frame-ancestors 'none'/, what);
  // Style attributes are the dashboard's one exception.
  assert.doesNotMatch(policy.replace("style-src-attr 'unsafe-inline'", ""), /unsafe-|https?:|\*/, what);
  assert.equal(headers["x-content-type-options"], "nosniff", what);
  assert.equal(headers["referrer-policy"], "no-referrer", what);
  assert.equal(headers["cross-origin-opener-policy"], "same-origin", what);
  assert.equal(headers["cross-origin-resource-policy"], "same-origin", what);
  assert.equal(headers["x-frame-options"], "DENY", what);
  assert.match(headers["permissions-policy"] ?? "", /camera=\(\)/, what);
  if (what.includes("/docs/static/")) return;
  // Streams also tell proxies not to change them.
  const isStream = headers["content-type"]?.startsWith("text/event-stream") === true;
  assert.equal(headers["cache-control"], isStream ? "no-store, no-transform" : "no-store", what);
}

let asked = 0;
async function ask(
  method: string,
  path: string,
  headers: Fields = {},
  body?: string,
): Promise<IncomingMessage> {
  // Routes that need no credentials are limited by address.
  const localAddress = `127.0.${asked >> 7}.${1 + (asked++ & 127)}`;
  const sent = request(platform.url + path, { method, headers, localAddress });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return response;
}

const flat = ({ headers }: IncomingMessage): Fields =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]));

test("every route answers with the security headers, with and without credentials", async () => {
  const routes = list.all();
  assert.ok(routes.length > 100, `only ${routes.length} routes`);
  for (const { method, url } of routes) {
    const path = url.replaceAll(/:\w+/g, "x").replaceAll("*", "swagger-ui.css");
    for (const headers of [{}, { "x-api-key": platform.apiKey }, { authorization: `Bearer ${token}` }]) {
      const response = await ask(method, path, headers);
      assertGuarded(flat(response), `${method} ${path} ${response.statusCode}`);
      response.destroy();
    }
  }
});

test("what no route answers has them too", async () => {
  const json = { "content-type": "application/json" };
  for (const [method, path, status, headers, body] of [
    ["GET", "/none", 404, {}, undefined],
    ["GET", "/nowhere", 404, { accept: "text/html" }, undefined],
    ["GET", `/proxy/cl-${"a".repeat(25)}/8000/`, 404, {}, undefined],
    ["OPTIONS", "/v1/capsules", 405, { origin: "https://evil.example" }, undefined],
    ["GET", "/%", 400, {}, undefined],
    ["GET", `/v1/capsules/${"x".repeat(300)}`, 414, {}, undefined],
    ["POST", "/v1/auth/login", 400, json, "{"],
    ["POST", "/v1/auth/login", 413, { ...json, "content-length": String(2 << 20) }, undefined],
    ["POST", "/v1/auth/login", 415, { "content-type": "text/plain" }, "x"],
  ] as const) {
    const response = await ask(method, path, headers, body);
    assert.equal(response.statusCode, status, `${method} ${path}`);
    assertGuarded(flat(response), `${method} ${path}`);
    response.destroy();
  }
});

test("refused WebSockets have them, whatever they are refused for", async () => {
  const capsule = `/v1/capsules/cl-${"a".repeat(25)}`;
  const upgrade = ["Host: localhost", "Connection: Upgrade"];
  for (const [path, more, status] of [
    ["/nowhere", ["Upgrade: websocket"], 404],
    [`${capsule}/exec/stream`, ["Upgrade: websocket"], 400],
    [
      `${capsule}/exec/stream`,
      ["Upgrade: websocket", "Sec-WebSocket-Version: 3", `Sec-WebSocket-Key: ${"A".repeat(22)}==`],
      400,
    ],
    [`${capsule}/exec/stream`, ["Upgrade: h2c"], 400],
  ] as const) {
    const { hostname, port } = new URL(platform.url);
    const socket = connect(Number(port), hostname);
    socket.end(`GET ${path} HTTP/1.1\r\n${[...upgrade, ...more].join("\r\n")}\r\n\r\n`);
    const [head = "", body = ""] = (await text(socket)).split("\r\n\r\n");
    const [first = "", ...lines] = head.split("\r\n");
    assert.match(first, new RegExp(`^HTTP/1\\.1 ${status} `), `${path} ${more.join()}\n${head}`);
    const pairs = lines.map((line) => /^([^:]+): (.*)$/.exec(line) ?? []);
    assertGuarded(Object.fromEntries(pairs.map(([, name = "", value]) => [name.toLowerCase(), value])), path);
    assert.ok("error" in (JSON.parse(body) as object), body);
  }
});

test("pages run their own scripts and styles only", async () => {
  const part = await ask("GET", "/docs/static/swagger-ui.css", { range: "bytes=99999999-" });
  assert.equal(part.statusCode, 200, "pages come whole");
  part.destroy();
  for (const path of [`/docs/static/${"a".repeat(300)}`, "/docs/static/%2e%2e/x", "/docs/static/.hidden"]) {
    const missing = await ask("GET", path);
    assert.equal(missing.statusCode, 404, path);
    assert.equal(
      (JSON.parse(await text(missing)) as { error: { code: string } }).error.code,
      "not_found",
      path,
    );
  }
  const html = await text(await ask("GET", "/docs"));
  assert.doesNotMatch(html, /<style|<script(?! src=")|\son\w+=/, "nothing inline");
  for (const [, source = ""] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
    assert.match(source, /^(?:\.|\/docs)\/static\//);
    const file = await ask("GET", new URL(source, "http://x/docs").pathname);
    assert.equal(file.statusCode, 200, source);
    file.destroy();
  }
  const query = new URLSearchParams({
    capsule: `cl-${"a".repeat(25)}`,
    port: "80",
    path: "/",
    binding: "b".repeat(43),
  });
  const page = await ask("GET", `/v1/ports/sign-in?${query.toString()}`);
  const content = await text(page);
  const policy = String(page.headers["content-security-policy"]);
  for (const [, tag = "", inline = ""] of content.matchAll(/<(script|style)>(.*?)<\/\1>/gs))
    assert.ok(
      policy.includes(`${tag}-src 'sha256-${createHash("sha256").update(inline).digest("base64")}'`),
      tag,
    );
});

test("behind a proxy that ends TLS, browsers are told to come back over TLS", async () => {
  const hsts = async (path: string, localAddress: string, more: Fields): Promise<string | undefined> => {
    const headers = { "x-forwarded-proto": "https", "x-forwarded-host": "wrenn.example.org", ...more };
    const sent = request(platform.url + path, { headers, localAddress });
    sent.end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.destroy();
    return response.headers["strict-transport-security"];
  };
  for (const path of ["/health", "/nowhere", "/v1/capsules", "/%"]) {
    assert.match((await hsts(path, "127.0.99.9", {})) ?? "none", /^max-age=/, path);
    assert.equal(await hsts(path, "127.0.99.8", {}), undefined, "not a trusted proxy");
    assert.equal(await hsts(path, "127.0.99.9", { "x-forwarded-proto": "http" }), undefined);
    assert.equal(await hsts(path, "127.0.99.9", { "x-forwarded-host": "localhost:8080" }), undefined);
  }
  const upgrade = { connection: "Upgrade", upgrade: "websocket" };
  assert.match((await hsts("/nowhere", "127.0.99.9", upgrade)) ?? "none", /^max-age=/);
});
