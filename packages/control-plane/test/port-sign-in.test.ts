import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { refreshCookie, TestPlatform } from "./support/test-platform.ts";
import type { Person } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

const binding = "b".repeat(43);

async function capsuleOf(who: Person): Promise<string> {
  const made = await platform.call("POST", "/v1/capsules", { token: who.token, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return String(made.body["id"]);
}

async function signIn(
  capsule: string,
  cookie: string,
  headers: Record<string, string> = {},
  path = "/a?b=1",
  more: Record<string, string> = {},
) {
  const query = new URLSearchParams({ capsule, port: "8000", path, binding, ...more });
  // Not by fetch, which says Sec-Fetch-Mode by itself.
  const sent = get(`${platform.url}/v1/ports/sign-in?${query.toString()}`, {
    headers: { cookie, accept: "text/html", ...headers },
  });
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  return { answer, html: await text(answer), location: URL.parse(answer.headers.location ?? "") };
}

test("who is logged in and of the capsule's team is sent into the port", async () => {
  const ada = await platform.person("ada");
  const capsule = await capsuleOf(ada);
  const { answer, location } = await signIn(capsule, ada.cookie);
  assert.equal(answer.statusCode, 303);
  assert.equal(answer.headers["referrer-policy"], "no-referrer");
  assert.equal(location?.host, `8000-${capsule}.test`);
  assert.equal(location.searchParams.get("path"), "/a?b=1");
  assert.equal(location.searchParams.get("binding"), binding);
  assert.match(location.searchParams.get("sessionId") ?? "", /^[0-9a-f-]{36}$/);
  assert.ok(!location.href.includes(ada.cookie.split("=")[1] ?? "?"), "the login itself goes nowhere");
  // As the page does after a log-in.
  const { html } = await signIn(capsule, "");
  const [, marker = assert.fail(html)] = /searchParams\.set\("(\w+)", "1"\)/.exec(html) ?? [];
  const again = await signIn(capsule, ada.cookie, {}, "/", { [marker]: "1" });
  assert.equal(again.answer.statusCode, 303, again.html);

  const renewed = await platform.call("POST", "/v1/auth/refresh", { cookie: ada.cookie });
  assert.equal(renewed.status, 200, "looking did not use the token");
  platform.clock.advance(11_000);
  assert.equal((await signIn(capsule, ada.cookie)).answer.statusCode, 200, "a token that was used is none");
  const cookie = refreshCookie(renewed);
  assert.equal((await signIn(capsule, cookie)).answer.statusCode, 303);
  await platform.call("POST", "/v1/auth/logout", { token: String(renewed.body["token"]), cookie });
  assert.match((await signIn(capsule, cookie)).html, /Sign in/);
});

test("a foreign capsule and an unknown one are the same page", async () => {
  const [bob, eve] = [await platform.person("bob"), await platform.person("eve")];
  const foreign = await signIn(await capsuleOf(bob), eve.cookie);
  const unknown = await signIn(newId("capsule", systemRandom), eve.cookie);
  assert.equal(foreign.answer.statusCode, 404);
  assert.equal(unknown.answer.statusCode, 404);
  assert.equal(foreign.html, unknown.html);
});

test("who is not logged in gets a page that runs its own script and nothing else, in no frame", async () => {
  const { answer, html } = await signIn(newId("capsule", systemRandom), "");
  assert.equal(answer.statusCode, 200);
  const policy = String(answer.headers["content-security-policy"]);
  const script = /<script>([^]*)<\/script>/.exec(html)?.[1] ?? "";
  assert.ok(policy.includes(`script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`));
  assert.match(policy, /default-src 'none'.*frame-ancestors 'none'/);
});

test("scripts, frames and addresses that are none are refused", async () => {
  const capsule = newId("capsule", systemRandom);
  for (const headers of [{ "sec-fetch-mode": "no-cors" }, { "sec-fetch-dest": "iframe" }])
    assert.equal((await signIn(capsule, "", headers)).answer.statusCode, 400);
  for (const path of ["a", "", "/a\nb", "https://evil.example", `/${"x".repeat(5000)}`])
    assert.equal((await signIn(capsule, "", {}, path)).answer.statusCode, 400, path);
  assert.equal((await signIn("nonsense", (await platform.person("mallory")).cookie)).answer.statusCode, 400);
});
