import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { after, test } from "node:test";
import { runInNewContext } from "node:vm";
import { defined } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { signInPage } from "../src/sign-in/sign-in-page.ts";
import { refreshOf, SignInLab } from "./support/sign-in-lab.ts";

const lab = await SignInLab.start();
after(() => lab[Symbol.asyncDispose]());
const { url } = lab.platform;

interface Seen {
  readonly status: number;
  readonly policy: string;
  readonly html: string;
  readonly script: string;
}

async function see(path: string): Promise<Seen> {
  const answer = await fetch(url + path);
  const html = await answer.text();
  const policy = answer.headers.get("content-security-policy") ?? "";
  return { status: answer.status, policy, html, script: scriptOf(html) };
}

function scriptOf(html: string): string {
  return /<script>([^]*)<\/script>/.exec(html)?.[1] ?? "";
}

/** What a tab keeps. */
function storage(entries: Readonly<Record<string, string>> = {}) {
  const kept = new Map(Object.entries(entries));
  return {
    kept,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
}

test("a log-in ends on a page that goes back to the page that asked for it, and nowhere else", async () => {
  const { status, policy, html, script } = await see("/auth/github/callback?new_signup=1");
  assert.equal(status, 200);
  assert.match(html, /You are signed in/);
  assert.ok(policy.includes(`script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`));
  const wayFrom = (kept: string | undefined): string | undefined => {
    let gone: string | undefined;
    const sessionStorage = storage(defined({ wrenn_way_back: kept }));
    const location = { replace: (to: string) => void (gone = to) };
    runInNewContext(script, { sessionStorage, location });
    assert.equal(sessionStorage.kept.size, 0, "it is used once");
    return gone;
  };
  const asked = "/v1/ports/sign-in?capsule=cl-1&port=80&path=/&again=1";
  assert.equal(wayFrom(asked), asked);
  for (const other of [
    undefined,
    "",
    "https://evil.example/",
    "//evil.example",
    "javascript:alert(1)",
    "/v1/me",
  ])
    assert.equal(wayFrom(other), undefined, String(other));
});

test("a log-in that did not work says why, with a way on, and repeats nothing of the address", async () => {
  const none = await see("/auth/oidc/callback?error=no_account");
  assert.match(none.html, /There is no account for you yet/);
  assert.match(none.html, /<a href="\/auth\/oauth\/oidc\?intent=signup">Sign up with 127\.0\.0\.1:\d+<\/a>/);
  assert.equal(none.script, "");
  const denied = await see("/auth/github/callback?error=access_denied");
  assert.match(
    denied.html,
    /cancelled.*<a href="\/auth\/oauth\/github\?intent=login">Sign in with GitHub<\/a>/s,
  );
  for (const error of [
    "<script>alert(1)</script>",
    "__proto__",
    "constructor",
    "toString",
    "x".repeat(8000),
  ]) {
    const made = await see(`/auth/github/callback?error=${encodeURIComponent(error)}`);
    assert.deepEqual([made.status, made.script], [200, ""]);
    assert.match(made.html, /<p role="alert">Please try again\.<\/p>/);
  }
  assert.equal((await see("/auth/gitlab/callback")).status, 404);
});

test("the page that asks to log in for a private port offers the providers, and keeps where to come back to", async () => {
  const sessionStorage = storage();
  const links: { href: string; textContent: string; click: () => void }[] = [];
  const form = {
    addEventListener: () => undefined,
    after: (link: (typeof links)[number]) => void links.push(link),
  };
  const document = {
    forms: [form],
    querySelector: () => ({}),
    createElement: () => {
      const link = {
        href: "",
        textContent: "",
        click: () => undefined as void,
        addEventListener: (_kind: "click", then: () => void) => void (link.click = then),
      };
      return link;
    },
  };
  const location = {
    href: `${url}/v1/ports/sign-in?capsule=cl-1&port=80`,
    replace: () => assert.fail("gone"),
  };
  const asked: Promise<unknown>[] = [];
  runInNewContext(scriptOf(signInPage.html), {
    sessionStorage,
    document,
    location,
    URL,
    fetch: async (path: string, init?: RequestInit) => {
      const answer = fetch(url + path, init);
      asked.push(answer);
      return await answer;
    },
  });
  await eventually("the page has both links", () => links.length >= 2);
  await Promise.all(asked);
  assert.deepEqual(
    links.map(({ href, textContent }) => [href, textContent]),
    [
      ["/auth/oauth/github?intent=login", "Sign in with GitHub"],
      ["/auth/oauth/oidc?intent=login", `Sign in with ${new URL(lab.fake.issuer).host}`],
    ],
  );
  links[0]?.click();
  const way = sessionStorage.kept.get("wrenn_way_back");
  assert.equal(way, "/v1/ports/sign-in?capsule=cl-1&port=80&again=1");
});

test("who came by a provider gets into a private port of their team", async () => {
  lab.newPerson("porter");
  const entered = await lab.signIn("oidc", "signup");
  const capsule = await lab.platform.call("POST", "/v1/capsules", {
    token: await lab.tokenOf(entered),
    body: {},
  });
  assert.equal(capsule.status, 201, JSON.stringify(capsule.body));
  const cookie = refreshOf(await lab.signIn("oidc", "login")) ?? "";
  const asked = { capsule: String(capsule.body["id"]), port: "8000", path: "/", binding: "b".repeat(43) };
  const sent = get(`${url}/v1/ports/sign-in?${new URLSearchParams(asked).toString()}`, {
    headers: { cookie, accept: "text/html" },
  });
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  answer.resume();
  assert.equal(answer.statusCode, 303);
  assert.equal(new URL(answer.headers.location ?? "").host, `8000-${asked.capsule}.test`);
});
