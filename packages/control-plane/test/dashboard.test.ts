import assert from "node:assert/strict";
import { after, test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { dashboardPaths } from "../src/dashboard/dashboard-paths.ts";
import { BuiltDashboard } from "./support/built-dashboard.ts";
import { rawRequest } from "./support/raw-request.ts";
import { TestPlatform } from "./support/test-platform.ts";

const built = await BuiltDashboard.make();
after(() => built[Symbol.asyncDispose]());
const platform = await TestPlatform.start({ dashboard: built.directory });
after(() => platform[Symbol.asyncDispose]());

const SCRIPT = `console.log(${"1 + ".repeat(500)}1)`;
const PAGE =
  "<!doctype html><html><head><script>theme()</script></head><body><script type=module>start()</script></body></html>";
const get = async (path: string, headers: Readonly<Record<string, string>> = {}) =>
  await fetch(platform.url + path, { headers, redirect: "manual" });

/** Where a browser that asks for a private port is sent. */
const PORT_SIGN_IN = `/v1/ports/sign-in?${new URLSearchParams({
  capsule: newId("capsule", systemRandom),
  port: "80",
  path: "/",
  binding: "b".repeat(43),
}).toString()}`;

test("before it is built, people on their way meet simple pages, and /v1/info names no dashboard", async () => {
  for (const [path, title] of [
    ["/device?user_code=BCDF-GHJK", "Log in on a device"],
    ["/docs/api/cli?next=http://localhost:4711", "Log in to the command line"],
    [PORT_SIGN_IN, "Sign in to open this port"],
  ] as const) {
    const answer = await rawRequest(platform.url, { method: "GET", path });
    assert.equal(answer.status, 200, path);
    assert.match(answer.text, new RegExp(`<title>${title}</title>`));
  }
  const { body } = await platform.call("GET", "/v1/info");
  assert.ok(!(body["features"] as string[]).includes("dashboard"));
});

test("before it is built every page says so, and the API answers as ever", async () => {
  for (const path of dashboardPaths) {
    const answer = await get(path.replace("*", "cl-1"));
    assert.equal(answer.status, 404, path);
    assert.match(await answer.text(), /dashboard is not built/);
  }
  assert.equal((await get("/health")).status, 200);
});

test("built later it is there, with a nonce of each answer on every script and in the policy", async () => {
  await built.add({
    "index.html": PAGE,
    "_app/immutable/start.js": SCRIPT,
    "_app/version.json": "{}",
    "favicon.svg": "<svg/>",
    "secret.key": "of a kind that is not served",
  });
  const nonces = new Set<string>();
  for (const path of dashboardPaths) {
    const answer = await get(`${path.replace("*", "cl-1/terminal")}?token=1&anything=2`);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const policy = answer.headers.get("content-security-policy") ?? "";
    const [, nonce = ""] = /script-src 'self' 'nonce-([^']+)'/.exec(policy) ?? [];
    assert.match(nonce, /^[\w+/]{22}==$/);
    nonces.add(nonce);
    assert.equal(
      await answer.text(),
      PAGE.replace("<script>", `<script nonce="${nonce}">`).replace(
        "<script type",
        `<script nonce="${nonce}" type`,
      ),
    );
    assert.match(policy, /^default-src 'none';/);
    assert.match(policy, /require-trusted-types-for 'script'; trusted-types svelte-trusted-html/);
    assert.equal(policy.match(/unsafe/g)?.length, 1, policy);
  }
  assert.equal(nonces.size, dashboardPaths.length, "no nonce comes twice");
});

test("built, the pages on which people approve devices and open private ports are its own", async () => {
  const { cookie } = await platform.person("ada");
  for (const [path, status, headers, outcome] of [
    ["/device?user_code=BCDF-GHJK", 200, {}, undefined],
    [PORT_SIGN_IN, 200, {}, undefined],
    [PORT_SIGN_IN, 404, { cookie }, "no_such_port"],
    ["/docs/api/cli?next=http://localhost:4711&cliVersion=2.19.0", 200, {}, undefined],
    ["/docs/api/cli?next=http://localhost.example.org:4711", 400, {}, "address_refused"],
    ["/docs/api/cli?state=success&email=ada%40example.org", 200, {}, undefined],
  ] as const) {
    const answer = await rawRequest(platform.url, { method: "GET", path, headers });
    assert.equal(answer.status, status, path);
    assert.match(String(answer.headers["content-security-policy"]), /script-src 'self' 'nonce-/);
    assert.equal(answer.headers["cache-control"], "no-store");
    const [, told] = /<html data-outcome="(\w+)">/.exec(answer.text) ?? [];
    assert.equal(told, outcome, `${path}: its page is told what the address does not say`);
  }
  const { body } = await platform.call("GET", "/v1/info");
  assert.ok((body["features"] as string[]).includes("dashboard"));
});

test("files are compressed where the browser can, kept for ever by names that are made of their content, and asked about otherwise", async () => {
  const script = await get("/_app/immutable/start.js", { "accept-encoding": "identity" });
  assert.equal(await script.text(), SCRIPT);
  assert.equal(script.headers.get("cache-control"), "public, max-age=31536000, immutable");
  assert.equal(script.headers.get("content-type"), "text/javascript; charset=utf-8");
  assert.equal(script.headers.get("content-encoding"), null);
  const packed = await get("/_app/immutable/start.js", { "accept-encoding": "br, gzip" });
  assert.equal(packed.headers.get("content-encoding"), "gzip");
  assert.ok(Number(packed.headers.get("content-length")) < SCRIPT.length);
  assert.equal(await packed.text(), SCRIPT);
  const version = await get("/_app/version.json");
  assert.equal(version.headers.get("cache-control"), "no-cache");
  const again = await get("/_app/version.json", { "if-none-match": version.headers.get("etag") ?? "" });
  assert.deepEqual([again.status, await again.text()], [304, ""]);
});

test("nothing else of the folder, or of the machine, is served; other addresses are those of the API", async () => {
  for (const path of [
    "/_app/none.js",
    "/_app/%2e%2e/secret.key",
    "/_app/..%2fsecret.key",
    "/_app/%ff",
    "/secret.key",
  ]) {
    const answer = await rawRequest(platform.url, { method: "GET", path });
    assert.ok(answer.status === 404 || answer.status === 400, `${path}: ${answer.status}`);
    assert.match(String(answer.headers["content-type"]), /^application\/json/, path);
  }
  for (const path of ["/v1/none", "/capsule", "/login/x"]) assert.equal((await get(path)).status, 404, path);
});

test("no page of another origin frames it, and a log-in in it is no form that another page could send", async () => {
  const { headers } = await get("/login");
  assert.match(headers.get("content-security-policy") ?? "", /form-action 'self'; frame-ancestors 'none'/);
  assert.equal(headers.get("x-frame-options"), "DENY");
});

test("an office that opens the dashboard behind one address is served, and its calls of the API are counted alone", async () => {
  for (let opened = 0; opened < 20; opened++)
    for (let file = 0; file < 30; file++) {
      const answer = await get("/_app/immutable/start.js");
      await answer.arrayBuffer();
      assert.equal(answer.status, 200, `page ${opened}, file ${file}`);
    }
  assert.equal((await get("/v1/info")).status, 200);
});
