import assert from "node:assert/strict";
import { after, test } from "node:test";
import { rawRequest } from "./support/raw-request.ts";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { cookie, email, password } = await platform.person("visitor");
const host = "wrenn.localhost:8080";

async function post(
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: object,
): Promise<[number, string]> {
  const { status, text } = await rawRequest(platform.url, {
    method: "POST",
    path,
    headers: { host, cookie, ...(body ? { "content-type": "application/json" } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  platform.clock.advance(60_000);
  return [status, text];
}

const foreign: readonly Readonly<Record<string, string>>[] = [
  { origin: `http://8000-cl-x.${host}`, "sec-fetch-site": "same-site" },
  { origin: `http://8000-cl-x.${host}` },
  { origin: "http://wrenn.localhost:8081" },
  { origin: "http://wrenn.localhost" },
  { origin: "null" },
  { origin: "null", "sec-fetch-site": "cross-site" },
  { origin: `http://${host}.evil.example` },
  { origin: `http://${host}@evil.example` },
  { origin: host },
  { origin: "" },
  { "sec-fetch-site": "same-site" },
  { "sec-fetch-site": "cross-site" },
];

test("a page of a capsule cannot use, set or replace a visitor's log-in", async () => {
  const routes: readonly (readonly [string, object?])[] = [
    ["/v1/auth/refresh"],
    ["/v1/auth/login", { email, password }],
    ["/v1/auth/activate", { token: "x" }],
    ["/v1/auth/bootstrap", { token: "x", email, password, name: "X" }],
    ["/v1/auth/signup", { email, password, name: "X" }],
    ["/v1/me/password/reset", { email }],
  ];
  for (const [path, body] of routes)
    for (const headers of foreign) {
      const [status, text] = await post(path, headers, body);
      assert.equal(status, 403, `${path} ${JSON.stringify(headers)} ${text}`);
      assert.match(text, /"reason":"foreign_page"/);
    }
});

test("the platform's own pages and programs renew a log-in", async () => {
  let current = cookie;
  for (const headers of [
    { origin: `http://${host}` },
    { origin: `https://${host}` },
    { origin: "https://wrenn.example.org" },
    { origin: "https://wrenn.example.org", "sec-fetch-site": "same-site" },
    { origin: "https://behind-a-proxy.example", "sec-fetch-site": "same-origin" },
    {},
  ]) {
    const answer = await rawRequest(platform.url, {
      method: "POST",
      path: "/v1/auth/refresh",
      headers: { host, ...headers, cookie: current },
    });
    assert.equal(answer.status, 200, `${JSON.stringify(headers)} ${answer.text}`);
    current = String(answer.headers["set-cookie"]).split(";")[0] ?? "";
    platform.clock.advance(60_000);
  }
});
