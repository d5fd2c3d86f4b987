import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { loopbackAddress } from "../src/sign-in/loopback-address.ts";
import { rawRequest } from "./support/raw-request.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

/* Logins of programs that listen on the loopback interface (RFC 8252). What E2B's API adds is in packages/e2b/test/login.test.ts. */

const NEXT = "http://localhost:4711";
const platform = await TestPlatform.start({ rates: { perAddress: undefined, perKey: undefined } });
after(() => platform[Symbol.asyncDispose]());
let ada: Person;
before(async () => {
  ada = await platform.person("ada");
});

async function decide(verb: "approve" | "deny", body: object, who: Person = ada): Promise<Answer> {
  return await platform.call("POST", `/v1/auth/program/${verb}`, { token: who.token, body });
}

const redirectOf = ({ status, body }: Answer): URL => {
  assert.equal(status, 200, JSON.stringify(body));
  return new URL(String(body["redirect_to"]));
};

const accepted = [
  ["http://localhost:4711", "http://localhost:4711/"],
  ["http://127.0.0.1:4711/some/path", "http://127.0.0.1:4711/some/path"],
  ["http://[::1]:4711/", "http://[::1]:4711/"],
  ["HTTP://LOCALHOST:4711", "http://localhost:4711/"],
  // Other parsers may take the part before the sign for credentials: what is used is what this one has read.
  ["http://localhost:4711\\@evil.example", "http://localhost:4711/@evil.example"],
] as const;
const refused = [
  "",
  "localhost:4711",
  "//localhost:4711",
  "/docs",
  "http://localhost",
  "http://localhost:80",
  "https://localhost:4711",
  "ftp://localhost:4711",
  "javascript:alert(1)//localhost:4711",
  "http://evil.example:4711",
  "http://localhost.evil.example:4711",
  "http://localhost.:4711",
  "http://0.0.0.0:4711",
  "http://127.0.0.2:4711",
  "http://[::ffff:127.0.0.1]:4711",
  "http://user@localhost:4711",
  "http://user:password@localhost:4711",
  "http://localhost:4711@evil.example:4711",
  "http://localhost:4711?accessToken=other",
  "http://localhost:4711#part",
  `http://localhost:4711/${"a".repeat(300)}`,
];

test("addresses of this machine are accepted, and every other one is refused", async () => {
  for (const [text, href] of accepted) assert.equal(loopbackAddress(text)?.href, href, text);
  for (const text of refused) assert.equal(loopbackAddress(text), undefined, text);
});

test("a refused address gets a page that says so, and neither tokens nor a redirect", async () => {
  for (const next of refused) {
    const page = await rawRequest(platform.url, {
      method: "GET",
      path: `/docs/api/cli?${new URLSearchParams({ next }).toString()}`,
    });
    assert.equal(page.status, 400, next);
    assert.match(page.text, /<title>This address is refused<\/title>/);
    assert.equal(page.headers["location"], undefined);
    for (const verb of ["approve", "deny"] as const) {
      const answer = await decide(verb, { next });
      assert.deepEqual([answer.status, reasonOf(answer)], [400, "invalid_field"], next);
    }
  }
  assert.equal(
    (await platform.call("GET", `/docs/api/cli?next=${NEXT}&next=http://evil.example:1`)).status,
    400,
  );
});

test("the page cannot be framed, sends no referrer, and changes nothing", async () => {
  const logins = async () => (await platform.call("GET", "/v1/me/sessions", { token: ada.token })).body;
  const earlier = await logins();
  const page = await rawRequest(platform.url, {
    method: "GET",
    path: `/docs/api/cli?${new URLSearchParams({ next: NEXT, cliVersion: "2.19.0", anything: "else" }).toString()}`,
    headers: { cookie: ada.cookie },
  });
  assert.equal(page.status, 200);
  assert.match(String(page.headers["content-security-policy"]), /form-action 'none'; frame-ancestors 'none'/);
  assert.equal(page.headers["referrer-policy"], "no-referrer");
  assert.deepEqual(await logins(), earlier);
  for (const [state, title] of [
    ["success", "You are logged in"],
    ["error", "You are not logged in"],
  ] as const) {
    const query = `state=${state}&email=mallory%40example.org&error=%3Cb%3Ecall+us`;
    const { status, text } = await rawRequest(platform.url, {
      method: "GET",
      path: `/docs/api/cli?${query}`,
    });
    assert.equal(status, 200);
    assert.match(text, new RegExp(`<title>${title}</title>`));
    assert.doesNotMatch(text, /mallory|call us/, "texts of the address are not shown");
  }
});

test("an approval opens a login that is listed by the program's name, recorded, and ended like others", async () => {
  const url = redirectOf(await decide("approve", { next: `${NEXT}/done`, version: "2.19.0" }));
  assert.equal(url.origin + url.pathname, `${NEXT}/done`);
  const fields = Object.fromEntries(url.searchParams);
  const { accessToken = "", refreshToken = "", ...rest } = fields;
  assert.deepEqual(rest, {
    email: ada.email,
    tokenEndpoint: "https://wrenn.example.org/e2b-oauth/token",
    revokeEndpoint: "https://wrenn.example.org/e2b-oauth/revoke",
    clientId: "e2b-cli",
  });
  assert.match(refreshToken, /^[0-9a-f]{64}$/);
  const me = await platform.call("GET", "/v1/me", { token: accessToken });
  assert.equal(me.body["email"], ada.email);

  const { body } = await platform.call("GET", "/v1/me/sessions", { token: ada.token });
  const login = (body as unknown as { id: string; device?: string }[]).find(
    ({ device }) => device === "E2B CLI 2.19.0",
  );
  assert.ok(login, JSON.stringify(body));
  const entry = await platform.database.db
    .selectFrom("audit_log")
    .select("metadata")
    .where("action", "=", "login")
    .orderBy("seq", "desc")
    .executeTakeFirst();
  assert.equal(entry?.metadata["device"], "E2B CLI 2.19.0");
  assert.equal(entry.metadata["sent_to"], "localhost:4711");

  const ended = await platform.call("DELETE", `/v1/me/sessions/${login.id}`, { token: ada.token });
  assert.equal(ended.status, 204);
  assert.equal((await platform.call("GET", "/v1/me", { token: accessToken })).status, 401);
});

test("a denial sends the error alone", async () => {
  const url = redirectOf(await decide("deny", { next: NEXT }));
  assert.equal(url.href, `${NEXT}/?error=access_denied`);
});

test("a decision needs a live login, and neither a cookie nor an API key is one", async () => {
  const body = { next: NEXT };
  for (const verb of ["approve", "deny"]) {
    const path = `/v1/auth/program/${verb}`;
    const byCookie = await platform.call("POST", path, { body, headers: { cookie: ada.cookie } });
    assert.equal(reasonOf(byCookie), "credentials_missing", "a page of another origin can send no more");
    const made = await platform.call("POST", "/v1/api-keys", { token: ada.token, body: {} });
    const byKey = await platform.call("POST", path, {
      body,
      headers: { "x-api-key": String(made.body["key"]) },
    });
    assert.deepEqual([byKey.status, reasonOf(byKey)], [401, "session_required"]);
  }
  const left = await platform.person("left");
  await platform.call("POST", "/v1/auth/logout", { token: left.token });
  const answer = await decide("approve", body, left);
  assert.deepEqual([answer.status, reasonOf(answer)], [401, "token_invalid"]);
});

test("versions that are not versions are refused, and a person approves few programs in a minute", async () => {
  for (const version of ["", "a".repeat(33), "<b>", "1 2", "1\n2"])
    assert.equal((await decide("approve", { next: NEXT, version })).status, 400, JSON.stringify(version));
  const eager = await platform.person("eager");
  let status = 200;
  for (let count = 0; status === 200 && count < 30; count++)
    ({ status } = await decide("approve", { next: NEXT }, eager));
  assert.equal(status, 429);
});
