import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { TrustedProxies } from "@wrenn/core";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const folder = await mkdtemp("/tmp/wrenn-downloads-");
after(() => rm(folder, { recursive: true, force: true }));
const files = { cli: join(folder, "cli.tgz"), sdk: join(folder, "sdk.tgz") };
const platform = await TestPlatform.start({
  clientPackages: files,
  proxies: TrustedProxies.parse("proxies", "127.0.99.9"),
});
after(() => platform[Symbol.asyncDispose]());

test("a package that was not packed is a refusal with a remedy, and is served once it is packed", async () => {
  const missing = await platform.call("GET", "/download/wrenn-cli.tgz");
  assert.deepEqual([missing.status, reasonOf(missing)], [404, "client_not_packed"]);
  assert.match(JSON.stringify(missing.body), /wrenn-cli\.tgz is not packed.*\.\/wrenn up/);
  await writeFile(files.cli, "the command line");
  assert.equal((await fetch(`${platform.url}/download/wrenn-cli.tgz`)).status, 200);
});

test("packages are served without credentials, with length and entity tag, and not sent again when unchanged", async () => {
  const content = Buffer.from([0x1f, 0x8b, 0, 255, 10]);
  await writeFile(files.sdk, content);
  const url = `${platform.url}/download/wrenn-sdk.tgz`;
  const got = await fetch(url);
  assert.equal(got.status, 200);
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), content);
  const tag = `"${createHash("sha256").update(content).digest("base64url")}"`;
  const fields = ["content-type", "content-length", "etag", "cache-control", "x-content-type-options"];
  const expected = ["application/gzip", "5", tag, "no-cache", "nosniff"];
  assert.deepEqual(
    fields.map((name) => got.headers.get(name)),
    expected,
  );
  const head = await fetch(url, { method: "HEAD" });
  assert.deepEqual(
    fields.map((name) => head.headers.get(name)),
    expected,
  );
  for (const known of [tag, `W/${tag}`, `"other", ${tag}`, "*"]) {
    const same = await fetch(url, { headers: { "if-none-match": known } });
    assert.deepEqual([same.status, await same.text()], [304, ""], known);
  }
  assert.equal((await fetch(url, { headers: { "if-none-match": '"other"' } })).status, 200);
});

interface Page {
  readonly status: number | undefined;
  readonly policy: string | undefined;
  readonly html: string;
}

async function page(headers: Readonly<Record<string, string>>, localAddress = "127.0.0.1"): Promise<Page> {
  const { promise, resolve, reject } = Promise.withResolvers<Page>();
  const sent = request(`${platform.url}/download`, { headers, localAddress }, (response) => {
    text(response).then((html) => {
      const policy = response.headers["content-security-policy"]?.toString();
      resolve({ status: response.statusCode, policy, html });
    }, reject);
  });
  sent.on("error", reject).end();
  return await promise;
}

test("the page shows commands with the address that the client used, and nothing in it runs", async () => {
  const install = (origin: string): string => `npm install -g ${origin}/download/wrenn-cli.tgz\n`;
  const { status, policy, html } = await page({ host: "build.example:8080" });
  assert.equal(status, 200);
  assert.ok(html.includes(install("http://build.example:8080")), html);
  assert.match(html, /wrenn login --url http:\/\/build\.example:8080\n/);
  assert.match(policy ?? "", /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'/);
  const proxied = { host: "10.0.0.1", "x-forwarded-host": "wrenn.example", "x-forwarded-proto": "https" };
  assert.ok((await page(proxied, "127.0.99.9")).html.includes(install("https://wrenn.example")));
  assert.ok(
    (await page(proxied)).html.includes(install("http://10.0.0.1")),
    "other clients are not believed",
  );
  for (const host of ["a.example/x", "<script>", "user@a.example", "a.example&'x"]) {
    const hostile = await page({ host });
    assert.doesNotMatch(hostile.html, /<script|user@|&'|a\.example\/x/, host);
  }
});
