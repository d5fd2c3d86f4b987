import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { after, test } from "node:test";
import { FakeProvider } from "@wrenn/control-plane/testing";
import { newId, silentLogger, systemRandom } from "@wrenn/core";
import { TestDatabase } from "@wrenn/database/testing";
import { readConfig, startControlPlane } from "@wrenn/server";
import { reservePort } from "@wrenn/system";
import { noBrowser, TestBrowser } from "../support/browser.ts";

const provider = await FakeProvider.start();
const dataDirectory = await mkdtemp("/tmp/wrenn-e2e-");
const database = await TestDatabase.migrated();
const port = await reservePort(systemRandom);
// Another site than the provider, as in life: browsers look at the host.
const url = `http://localhost:${port}`;
const config = readConfig({
  WRENN_DATA_DIR: dataDirectory,
  WRENN_CACHE_DIR: process.env["WRENN_CACHE_DIR"],
  WRENN_LISTEN: `127.0.0.1:${port}`,
  WRENN_PUBLIC_URL: url,
  WRENN_OIDC_ISSUER: provider.issuer,
  WRENN_OIDC_CLIENT_ID: provider.client.id,
  WRENN_OIDC_CLIENT_SECRET: provider.client.secret,
  DATABASE_URL: database.url,
});
const server = await startControlPlane({
  config,
  logger: silentLogger,
  progress: () => {},
  signal: new AbortController().signal,
  servesDashboard: false,
});
after(async () => {
  await server.close("destroy");
  await rm(dataDirectory, { recursive: true, force: true });
  await database[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
});

/** Follows redirects with the server's cookies, as a browser does. @returns where they end on the server. */
async function visit(start: string, jar: Map<string, string>): Promise<string> {
  let at = new URL(start, url);
  for (let hops = 0; hops < 5; hops++) {
    const isOwn = at.origin === url;
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(at, { redirect: "manual", headers: isOwn ? { cookie } : {} });
    await answer.arrayBuffer();
    for (const line of isOwn ? answer.headers.getSetCookie() : []) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      jar.set(name, value);
    }
    const location = answer.headers.get("location");
    if (location === null) return at.pathname + at.search;
    at = new URL(location, at);
  }
  return assert.fail("redirects without end");
}

test("a server that is set up by its environment lets a browser sign up and log in by an OpenID Connect provider", async () => {
  provider.person = { subject: "grace", name: "Grace", email: "grace@example.org", verified: true };
  const stranger = new Map<string, string>();
  assert.equal(await visit("/auth/oauth/oidc", stranger), "/auth/oidc/callback?error=no_account");
  assert.deepEqual([...stranger.keys()], ["wrenn_oauth_state"]);
  for (const [start, end] of [
    ["/auth/oauth/oidc?intent=signup", "/auth/oidc/callback?new_signup=1"],
    ["/v1/auth/oauth/oidc?intent=login", "/auth/oidc/callback"],
  ] as const) {
    const jar = new Map<string, string>();
    assert.equal(await visit(start, jar), end);
    const renewed = await fetch(`${url}/v1/auth/refresh`, {
      method: "POST",
      headers: { cookie: `wrenn_refresh=${jar.get("wrenn_refresh") ?? ""}` },
    });
    assert.equal(renewed.status, 200);
    const { token, email } = (await renewed.json()) as { readonly token: string; readonly email: string };
    assert.equal(email, "grace@example.org");
    const capsules = await fetch(`${url}/v1/capsules`, { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual([capsules.status, await capsules.json()], [200, []]);
  }
});

test(
  "in a browser the sign-in of a private port leads to the provider and back, and no script can read the login",
  { skip: noBrowser },
  async () => {
    provider.person = { subject: "alan", name: "Alan", email: "alan@example.org", verified: true };
    await using browser = await TestBrowser.start();
    const capsule = newId("capsule", systemRandom);
    const asked = new URLSearchParams({ capsule, port: "80", path: "/", binding: "b".repeat(43) });
    const page = await browser.visit(`${url}/v1/ports/sign-in?${asked.toString()}`);
    const link = "document.querySelector('a')";
    const title = "document.title";
    await page.until(`${link}?.textContent`, `Sign in with ${new URL(provider.issuer).host}`);
    await page.evaluate(`${link}.click()`);
    await page.until(title, "You are not signed in");
    await page.until(`${link}.getAttribute("href")`, "/auth/oauth/oidc?intent=signup");
    await page.evaluate(`${link}.click()`);
    // Logged in, and back at the port, which nobody has.
    await page.until(title, "There is no such port");
    const elsewhere = await page.open(`${url}/auth/oidc/callback`);
    await elsewhere.until(title, "You are signed in");
    assert.equal(await elsewhere.evaluate("document.cookie"), "");
    const me = `fetch("/v1/auth/refresh", {method: "POST"}).then((answer) => answer.json())`;
    assert.equal((await elsewhere.evaluate<{ email: string }>(me)).email, "alan@example.org");

    const again = await browser.visit(`${url}/v1/ports/sign-in?${asked.toString()}`);
    await again.until(`${link}?.textContent`, `Sign in with ${new URL(provider.issuer).host}`);
    await again.evaluate(`${link}.click()`);
    await again.until(title, "There is no such port");
  },
);
