import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { newId, systemClock, systemRandom } from "@wrenn/core";
import type { SignInRequest } from "@wrenn/edge";
import { ask, rawClient } from "./support/http-client.ts";
import type { Answer } from "./support/http-client.ts";
import { goodLink, goodSession } from "./support/test-grants.ts";
import { startService, startTestEdge } from "./support/test-edge.ts";
import type { TestEdge, TestEdgeOptions } from "./support/test-edge.ts";

const page = { accept: "text/html,*/*", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

interface Fixture {
  readonly edge: TestEdge;
  readonly target: { readonly capsuleId: string; readonly port: number };
  readonly asked: SignInRequest[];
  readonly get: (headers?: Record<string, string>, path?: string) => Promise<Answer>;
  /** What a browser does up to the sign-in: the hop cookie, and what it has to be bound to. */
  readonly hop: (path?: string) => Promise<{ readonly cookie: string; readonly binding: string }>;
  /** A browser that came in by the sign-in: its session cookie. */
  readonly signedIn: () => Promise<string>;
}

async function fixture(t: TestContext, options: TestEdgeOptions = {}): Promise<Fixture> {
  const { port } = await startService(t, (request, response) =>
    response.end(JSON.stringify({ url: request.url, cookie: request.headers.cookie })),
  );
  const asked: SignInRequest[] = [];
  const edge = await startTestEdge(t, {
    access: "private",
    signIn: (request) => {
      asked.push(request);
      return "http://wrenn.test/sign-in";
    },
    ...options,
  });
  const target = { capsuleId: edge.capsuleId, port };
  const get: Fixture["get"] = async (headers = {}, path = "/") =>
    ask({ port: edge.server.port, host: edge.host(port), headers, path });
  const hop: Fixture["hop"] = async (path = "/") => {
    const answer = await get(page, path);
    assert.equal(answer.status, 303, answer.body);
    return { cookie: cookieOf(answer, "wrenn_hop"), binding: asked.at(-1)?.binding ?? "" };
  };
  const signedIn = async (): Promise<string> => {
    const { cookie, binding } = await hop();
    const answer = await get({ ...page, cookie }, `/?${edge.edge.ticketQuery(target, goodSession, binding)}`);
    assert.equal(answer.status, 303, answer.body);
    return cookieOf(answer, "wrenn_session");
  };
  return { edge, target, asked, get, hop, signedIn };
}

function cookieOf({ headers }: Answer, name: string): string {
  const field = headers["set-cookie"]?.find((each) => each.startsWith(`${name}=`)) ?? "";
  assert.match(field, /^[^;]+; Path=\/; (?:Max-Age=600|Expires=[^;]+); HttpOnly; SameSite=Lax$/);
  return field.split(";")[0] ?? "";
}

test("a person is sent to sign in, comes back with a ticket, and goes on with a cookie of this port", async (t) => {
  const { get, hop, asked, edge, target } = await fixture(t);
  const { cookie, binding } = await hop("/a?x=%20");
  assert.equal(asked[0]?.url, "/a?x=%20");
  assert.ok(!cookie.includes(binding) && binding !== "", "only a hash of the cookie leaves");

  const ticket = edge.edge.ticketQuery(target, goodSession, binding);
  const back = await get({ ...page, cookie: `own=1; ${cookie}` }, `/a?x=%20&${ticket}`);
  assert.equal(back.status, 303);
  assert.equal(back.headers.location, "/a?x=%20");
  const session = cookieOf(back, "wrenn_session");
  const inside = await get({ ...page, cookie: `own=1; ${session}; ${cookie}` }, "/a?x=%20");
  assert.equal(inside.status, 200);
  assert.deepEqual(JSON.parse(inside.body), { url: "/a?x=%20", cookie: "own=1" });
});

test("what is no page of a person is refused as ever", async (t) => {
  const { get, asked } = await fixture(t);
  for (const headers of [
    { accept: "*/*" },
    { ...page, "sec-fetch-mode": "no-cors" },
    { ...page, "sec-fetch-dest": "iframe" },
    { accept: "application/json" },
  ])
    assert.equal((await get(headers)).status, 401);
  assert.equal(asked.length, 0);
});

test("a ticket is good for one browser, one port, one login that lives, and a minute", async (t) => {
  let now = Date.now();
  const clock = { ...systemClock, now: () => now };
  const { get, hop, edge, target } = await fixture(t, { clock });
  const { cookie, binding } = await hop();
  const other = await hop();
  const capsuleId = newId("capsule", systemRandom);
  const good = edge.edge.ticketQuery(target, goodSession, binding);
  for (const [what, query, sent] of [
    ["no hop cookie", good, ""],
    ["another browser's", good, other.cookie],
    [
      "another port",
      edge.edge.ticketQuery({ ...target, port: target.port + 1 }, goodSession, binding),
      cookie,
    ],
    ["another capsule", edge.edge.ticketQuery({ ...target, capsuleId }, goodSession, binding), cookie],
    ["a login that is over", edge.edge.ticketQuery(target, `${goodSession}0`, binding), cookie],
    [
      "a link's token",
      `wrenn_ticket=${edge.edge.linkQuery(target, { id: goodLink, expiresAt: now + 1000 }).split("=")[1]}`,
      cookie,
    ],
    ["changed", good.replace(goodSession, goodSession.replace("1", "2")), cookie],
    ["none", "wrenn_ticket=", cookie],
  ] as const)
    assert.equal((await get({ ...page, cookie: sent }, `/?${query}`)).status, 401, what);
  now += 61_000;
  assert.equal((await get({ ...page, cookie }, `/?${good}`)).status, 401, "late");
  now -= 61_000;
  assert.equal((await get({ ...page, cookie }, `/?${good}`)).status, 303);
});

test("another page cannot use the session of a visitor, and a session that ended opens nothing", async (t) => {
  let now = Date.now();
  const clock = { ...systemClock, now: () => now };
  const { get, signedIn, edge, target } = await fixture(t, { clock });
  const cookie = await signedIn();
  const own = `http://${edge.host(target.port)}`;
  assert.equal((await get({ cookie, origin: own })).status, 200);
  assert.equal((await get({ cookie, origin: "http://8000-cl-evil.wrenn.test" })).status, 401);
  const foreign = { cookie, "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors" };
  assert.equal((await get(foreign)).status, 401);
  const followed = {
    cookie,
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
  };
  assert.equal((await get(followed)).status, 200);
  assert.equal(
    (await get({ cookie: `wrenn_session=planted; ${cookie}` })).status,
    200,
    "a planted one beside it",
  );
  edge.grants.end("session");
  assert.equal((await get({ cookie })).status, 401, "logged out");
  edge.grants.restore("session");
  now += 12 * 3_600_000 + 1000;
  assert.equal((await get({ cookie })).status, 401, "twelve hours later");
});

test("in the path form there is neither sign-in nor session", async (t) => {
  const { edge, target, signedIn } = await fixture(t, { pathHost: "ports.wrenn.test" });
  const cookie = await signedIn();
  const path = `/proxy/${target.capsuleId}/${target.port}/`;
  const answer = await ask({
    port: edge.server.port,
    host: "ports.wrenn.test",
    headers: { ...page, cookie },
    path,
  });
  assert.equal(answer.status, 401);
});

test("a session is used by its own pages and followed links only, never in the frame of another page", async (t) => {
  const { signedIn, edge, target, get } = await fixture(t);
  const cookie = await signedIn();
  const own = `http://${edge.host(target.port)}`;
  const other = `http://8000-${target.capsuleId}.wrenn.test`;
  const navigates = { "sec-fetch-mode": "navigate", accept: "text/html" };
  const browser = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64)" };
  for (const [what, headers, status] of [
    ["the address bar", { ...navigates, "sec-fetch-site": "none", "sec-fetch-dest": "document" }, 200],
    ["a link", { ...navigates, "sec-fetch-site": "same-site", "sec-fetch-dest": "document" }, 200],
    ["its own frame", { ...navigates, "sec-fetch-site": "same-origin", "sec-fetch-dest": "iframe" }, 200],
    ["a frame", { ...navigates, "sec-fetch-site": "same-site", "sec-fetch-dest": "iframe" }, 401],
    ["a frame of old", { ...navigates, "sec-fetch-site": "cross-site", "sec-fetch-dest": "frame" }, 401],
    ["an object", { ...navigates, "sec-fetch-site": "same-site", "sec-fetch-dest": "object" }, 401],
    ["an embed", { ...navigates, "sec-fetch-site": "same-site", "sec-fetch-dest": "embed" }, 401],
    ["no destination, which leads to the sign-in", { ...navigates, "sec-fetch-site": "same-site" }, 303],
    [
      "a script",
      { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script" },
      401,
    ],
    [
      "a sandboxed page, which leads to the sign-in",
      { ...navigates, origin: "null", "sec-fetch-site": "none" },
      303,
    ],
    ["plain HTTP: its own page", { ...browser, accept: "*/*", referer: `${own}/a?b` }, 200],
    ["plain HTTP: the address bar", { ...browser, accept: "text/html" }, 200],
    ["plain HTTP: another page", { ...browser, accept: "application/json", referer: `${other}/` }, 401],
    ["plain HTTP: a page that hides itself", { ...browser, accept: "*/*" }, 401],
    ["plain HTTP: one that begins like it", { accept: "*/*", referer: `${own}.evil.example/` }, 401],
    ["plain HTTP: one with a user name like it", { accept: "*/*", referer: `${own}@evil.example/` }, 401],
    ["a program with a cookie jar", { "user-agent": "curl/8.5.0", accept: "*/*" }, 200],
  ] as const) {
    const answer = await get({ cookie, ...headers });
    assert.equal(answer.status, status, what);
    if (status === 200)
      assert.equal(answer.headers["content-security-policy"], "frame-ancestors 'self'", what);
  }
});

test("a WebSocket uses a session only with the Origin of the page that it belongs to", async (t) => {
  const { signedIn, edge, target } = await fixture(t);
  const cookie = await signedIn();
  const host = edge.host(target.port);
  for (const [origin, admitted] of [
    [`Origin: http://${host}\r\n`, true],
    [`Origin: https://${host}\r\n`, true],
    ["", false],
    ["Origin: null\r\n", false],
    [`Origin: http://8000-${target.capsuleId}.wrenn.test\r\n`, false],
    [`Origin: http://${host}:81\r\n`, false],
    [`Origin: ${host}\r\n`, false],
    ["Sec-Fetch-Site: same-origin\r\n", false],
  ] as const) {
    const client = rawClient(t, edge.server.port);
    client.socket.write(
      `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: ${cookie}\r\n${origin}\r\n`,
    );
    const seen = await client.until(/\r\n\r\n/);
    assert.equal(seen.startsWith("HTTP/1.1 401"), !admitted, `${origin}\n${seen}`);
  }
});
