import assert from "node:assert/strict";
import { after, test } from "node:test";
import { TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

async function link(token: string): Promise<string> {
  const { status, body } = await call("POST", "/v1/auth/browser-links", { token });
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(body["expires_in"], 60);
  return String(body["token"]);
}
const follow = async (token: string): Promise<Answer> =>
  await call("POST", "/v1/auth/browser-links/follow", { body: { token } });
const confirm = async (confirmation: unknown, headers = {}): Promise<Answer> =>
  await call("POST", "/v1/auth/browser-links/confirm", { body: { confirmation }, headers });

test("a link says whose it is, logs in only after a confirmation, and both work once", async () => {
  const { token, email, userId } = await platform.person("ada");
  const followed = await follow(await link(token));
  assert.equal(followed.status, 200);
  assert.deepEqual([followed.body["name"], followed.body["email"]], ["ada", email]);
  assert.equal(followed.headers.get("set-cookie"), null, "nobody is logged in by following it");
  const { confirmation } = followed.body;
  const opened = await confirm(confirmation, { "user-agent": "a browser" });
  assert.equal(opened.status, 200);
  assert.equal(opened.body["user_id"], userId);
  assert.match(
    opened.headers.get("set-cookie") ?? "",
    /wrenn_refresh=[0-9a-f]{64}.*HttpOnly; SameSite=Strict/,
  );
  assert.equal((await confirm(confirmation)).status, 400);

  const own = String(opened.body["token"]);
  const listed = await call("GET", "/v1/me/sessions", { token: own });
  const sessions = listed.body as unknown as { program: string; is_current: boolean }[];
  assert.equal(sessions.find(({ is_current: isCurrent }) => isCurrent)?.program, "a browser");
  const log = await call("GET", "/v1/audit-logs?resource_type=user", { token: own });
  const [entry] = log.body["items"] as { action: string; metadata: Record<string, string> }[];
  assert.equal(entry?.action, "login");
  assert.match(entry?.metadata["opened_by"] ?? "", /^ses-/);
});

test("a link works once, for a minute, and only the newest; a confirmation for five", async () => {
  const { token } = await platform.person("bea");
  const first = await link(token);
  const second = await link(token);
  assert.equal((await follow(first)).status, 400, "it was replaced");
  assert.equal((await follow(second)).status, 200);
  assert.equal((await follow(second)).status, 400, "it is used up");
  const late = await link(token);
  platform.clock.advance(61_000);
  assert.equal((await follow(late)).status, 400);
  const { body } = await follow(await link(token));
  platform.clock.advance(301_000);
  assert.equal((await confirm(body["confirmation"])).status, 400);
  assert.equal((await confirm("0".repeat(64))).status, 400);
});

test("a link is no confirmation, and the other way round", async () => {
  const { token } = await platform.person("cleo");
  assert.equal((await confirm(await link(token))).status, 400);
  const { body } = await follow(await link(token));
  assert.equal((await follow(String(body["confirmation"]))).status, 400);
});

test("link and confirmation end with the login that made them, and an API key makes none", async () => {
  const made = await platform.person("dora");
  const token = await link(made.token);
  const other = await platform.person("dana");
  const followed = await follow(await link(other.token));
  for (const person of [made, other])
    assert.equal((await call("POST", "/v1/auth/logout", { token: person.token })).status, 204);
  assert.equal((await follow(token)).status, 400);
  assert.equal((await confirm(followed.body["confirmation"])).status, 400);
  assert.equal((await call("POST", "/v1/auth/browser-links", { key: platform.apiKey })).status, 401);
});

test("a page of another origin can neither follow a link nor confirm one", async () => {
  const { token } = await platform.person("fay");
  const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
  const body = { token: await link(token) };
  assert.equal((await call("POST", "/v1/auth/browser-links/follow", { body, headers })).status, 403);
  const followed = await follow(body.token);
  assert.equal((await confirm(followed.body["confirmation"], headers)).status, 403);
});
