import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { FakeProvider } from "@wrenn/control-plane/testing";
import { silentLogger } from "@wrenn/core";
import { TestDatabase } from "@wrenn/database/testing";
import { readConfig, startControlPlane } from "@wrenn/server";

const provider = await FakeProvider.start();
const dataDirectory = await mkdtemp("/tmp/wrenn-e2e-");
const database = await TestDatabase.create();
const listen = `127.0.0.1:${await freePort()}`;
const url = `http://${listen}`;
const config = readConfig({
  WRENN_DATA_DIR: dataDirectory,
  WRENN_CACHE_DIR: process.env["WRENN_CACHE_DIR"],
  WRENN_LISTEN: listen,
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
});
after(async () => {
  await server.close("destroy");
  await rm(dataDirectory, { recursive: true, force: true });
  await database[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

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
  assert.deepEqual([...stranger.keys()], ["oauth_state"]);
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
