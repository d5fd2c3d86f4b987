/* Drawn: it waits for real time; request-limits.test.ts shows its parts. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { newId, systemRandom, TrustedProxies, WrennError } from "@wrenn/core";
import { KnownCredentials } from "../src/http/known-credentials.ts";
import { RateLimiter } from "../src/http/rate-limiter.ts";
import { RequestLimits } from "../src/http/request-limits.ts";
import { rawRequest } from "./support/raw-request.ts";
import { METRICS_TOKEN, reasonOf, TestClock, TestPlatform } from "./support/test-platform.ts";
import { webSocketCall } from "./support/web-socket-call.ts";

const BURST = 10;
const platform = await TestPlatform.start({
  rates: { perAddress: { burst: BURST, everyMs: 10_000 } },
  proxies: TrustedProxies.parse("proxies", "127.0.0.9"),
});
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key } = platform;

const wrongKey = (): string => `wrn_${randomBytes(16).toString("hex")}`;
const pty = `/v1/capsules/${newId("capsule", systemRandom)}/pty`;

/** One wrong attempt from the address; whether it was refused for the number of attempts. */
type Attempt = (from: string) => Promise<boolean>;

const socketAttempt =
  (said: (wrong: string) => Parameters<typeof webSocketCall>[2]): Attempt =>
  async (from) => {
    const { messages } = await webSocketCall(platform.url, pty, { ...said(wrongKey()), from });
    return messages.join(" ").includes("too many requests");
  };
const requestAttempt =
  (method: string, path: string, headers: (wrong: string) => Record<string, string>): Attempt =>
  async (from) => {
    const asked = { method, path, headers: headers(wrongKey()), from };
    return (await rawRequest(platform.url, asked)).status === 429;
  };

const ways: Readonly<Record<string, Attempt>> = {
  "a key at the API": requestAttempt("GET", "/v1/capsules", (wrong) => ({ "x-api-key": wrong })),
  "a token at the API": requestAttempt("GET", "/v1/me", (wrong) => ({ authorization: `Bearer ${wrong}` })),
  "a key in the header of a WebSocket": socketAttempt((wrong) => ({
    headers: { "x-api-key": wrong },
    messages: [JSON.stringify({ type: "auth", token: wrong })],
  })),
  "a token in the first message of a WebSocket": socketAttempt((wrong) => ({
    messages: [JSON.stringify({ type: "auth", token: wrong })],
  })),
  "a key in the first message of a WebSocket": socketAttempt((wrong) => ({
    messages: [JSON.stringify({ type: "auth", api_key: wrong })],
  })),
  "metrics from another machine": requestAttempt("GET", "/metrics", () => ({ via: "1.1 proxy" })),
  "a host's token": requestAttempt("POST", "/v1/hosts/host-0000000000000000000000000/heartbeat", (wrong) => ({
    "x-host-token": wrong,
  })),
};

let address = 10;
for (const [name, attempt] of Object.entries(ways)) {
  test(`wrong credentials are counted by network: ${name}`, async () => {
    address += 1;
    const from = `127.0.7.${address}`;
    let tried = 0;
    while (tried < 3 * BURST && !(await attempt(from))) tried += 1;
    assert.ok(tried >= BURST / 2 && tried <= BURST, `${tried} attempts`);
    // Every other way in is shut for the network, and none for others.
    for (const [other, alike] of Object.entries(ways)) assert.equal(await alike(from), true, other);
    assert.equal(await attempt(`127.0.8.${address}`), false);
    // Credentials that were good lately are let in.
    assert.equal((await platform.call("GET", "/v1/capsules", { key })).status, 200);
    const good = { method: "GET", path: "/v1/capsules", headers: { "x-api-key": key }, from };
    assert.equal((await rawRequest(platform.url, good)).status, 200);
  });
}

test("an IPv6 network of 64 bits is one client, and one of 48 bits has eight times as much", async () => {
  const limiter = new RateLimiter(new TestClock());
  const rate = { burst: 5, everyMs: 60_000 };
  const taken = (ips: readonly string[]): number =>
    ips.filter((ip) => {
      try {
        limiter.takeForClient("try", ip, rate);
        return true;
      } catch {
        return false;
      }
    }).length;
  const many = Array.from({ length: 100 }, (_, n) => n.toString(16));
  assert.equal(taken(many.map((n) => `2001:db8:1:1::${n}`)), 5);
  assert.equal(taken(many.map((n) => `2001:db8:2:${n}::1`)), 40);
  assert.equal(taken(many.map((n) => `192.0.2.${Number.parseInt(n, 16)}`)), 100);
});

test("a wrong key costs one look, however often it is tried, and works once it is good", async () => {
  const clock = new TestClock();
  let looks = 0;
  let isGood = false;
  const known = new KnownCredentials(
    {
      authenticate: async () => {
        looks += 1;
        if (!isGood) throw new WrennError("api_key_invalid", {});
        return { teamId: "t" };
      },
    },
    clock,
  );
  const limits = new RequestLimits({ clock, known, access: { hold: () => () => undefined } });
  const caller = { headers: { "x-api-key": wrongKey() }, socket: { remoteAddress: "192.0.2.1" } };
  for (let n = 0; n < 50; n += 1) await assert.rejects(limits.admit(caller), { reason: "api_key_invalid" });
  assert.equal(looks, 1);
  isGood = true;
  clock.advance(5000);
  assert.equal((await limits.admit(caller)).teamId, "t");
});

test("one good token is one entry, however its header is written, and stays known when it is renewed", async () => {
  const { token, cookie } = await platform.person("renewing");
  const from = "127.0.30.1";
  const ask = async (headers: Record<string, string>): Promise<number> =>
    (await rawRequest(platform.url, { method: "GET", path: "/v1/me", headers, from })).status;
  assert.equal(await ask({ authorization: `Bearer ${token}` }), 200);
  while ((await ask({ authorization: `Bearer ${wrongKey()}` })) !== 429);
  assert.equal(await ask({ authorization: `bEARER    ${token}` }), 200);
  platform.clock.advance(2000);
  const renewed = await platform.call("POST", "/v1/auth/refresh", { cookie });
  assert.equal(renewed.status, 200);
  assert.notEqual(renewed.body["token"], token);
  while ((await ask({ authorization: `Bearer ${wrongKey()}` })) !== 429);
  assert.equal(await ask({ authorization: `Bearer ${String(renewed.body["token"])}` }), 200);
  const [head, claims] = String(renewed.body["token"]).split(".");
  assert.equal(
    await ask({ authorization: `Bearer ${head}.${claims}.${"A".repeat(43)}` }),
    429,
    "a forged one",
  );
});

test("spellings of one good token leave the credentials of others known", async () => {
  const known = new KnownCredentials({ authenticate: async () => ({ teamId: "t" }) }, new TestClock());
  const other = { "x-api-key": "wrn_other" };
  await known.authenticate(other);
  for (const scheme of ["Bearer", "bearer", "BEARER"])
    for (let n = 1; n <= 4000; n += 1)
      await known.authenticate({ authorization: `${scheme}${" ".repeat(n)}token` });
  assert.equal(await known.wereGood(other), true);
});

test("metrics are for this machine, or for the token, and not for clients of a plain proxy", async () => {
  platform.clock.advance(600_000);
  const status = async (headers: Record<string, string>, from: string): Promise<number> =>
    (await rawRequest(platform.url, { method: "GET", path: "/metrics", headers, from })).status;
  const from = "127.0.31.1";
  assert.equal(await status({ host: "localhost" }, from), 200);
  assert.equal(await status({ host: "wrenn.example.org" }, from), 404, "a proxy that adds no fields");
  assert.equal(
    await status({ host: "wrenn.example.org", authorization: `Bearer ${METRICS_TOKEN}` }, from),
    200,
  );
  assert.equal(await status({ via: "1.1 proxy", authorization: `Bearer ${METRICS_TOKEN}` }, from), 200);
  assert.equal(await status({ via: "1.1 proxy", authorization: `Bearer ${"b".repeat(64)}` }, from), 404);
  assert.equal(await status({ via: "1.1 proxy", "x-api-key": key }, from), 404, "a key of a team");
});

test("the client behind a trusted proxy is limited, and not the proxy", async () => {
  const attempt = async (client: string): Promise<number> => {
    const headers = { "x-api-key": wrongKey(), "x-forwarded-for": `203.0.113.1, ${client}` };
    const asked = { method: "GET", path: "/v1/capsules", headers, from: "127.0.0.9" };
    return (await rawRequest(platform.url, asked)).status;
  };
  const statuses = [];
  // Each of another address in one network of 64 bits.
  for (let n = 0; n < 2 * BURST; n += 1) statuses.push(await attempt(`2001:db8:5:5::${n}`));
  assert.ok(statuses.includes(429));
  assert.equal(await attempt("2001:db8:6:6::1"), 401);
  assert.equal(await attempt("198.51.100.7"), 401);
});

test("a WebSocket whose first message is long ends before it is complete", async () => {
  const { hostname, port } = new URL(platform.url);
  const socket = connect({ port: Number(port), host: hostname, localAddress: "127.0.5.1" });
  after(() => socket.destroy());
  socket.on("error", () => undefined);
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.write(
    `GET ${pty} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  // A frame of 1 MiB, masked by zeros, of which the end never arrives.
  const head = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);
  socket.write(Buffer.concat([head, Buffer.alloc(40_000, "x")]));
  const started = performance.now();
  await new Promise((resolve) => socket.once("close", resolve));
  assert.ok(performance.now() - started < 3000, "sooner than the time for credentials");
  assert.match(received, /^HTTP\/1\.1 101/);
});

test("callers of /ready share one check a second", async () => {
  platform.clock.advance(5000);
  let checks = 0;
  const { host } = platform;
  const listCapsules = host.listCapsules.bind(host);
  host.listCapsules = async () => {
    checks += 1;
    return await listCapsules();
  };
  try {
    const answers = await Promise.all(Array.from({ length: 100 }, () => platform.call("GET", "/ready")));
    assert.ok(answers.every(({ status }) => status === 200));
    // The monitor of hosts asks now and then, too.
    assert.ok(checks < 20, `${checks} checks`);
    const statuses = new Set<number>();
    for (let round = 0; round < 50 && !statuses.has(429); round += 1) {
      const some = Array.from({ length: 50 }, async () => (await platform.call("GET", "/health")).status);
      for (const status of await Promise.all(some)) statuses.add(status);
    }
    assert.deepEqual(
      [...statuses].toSorted((a, b) => a - b),
      [200, 429],
    );
  } finally {
    host.listCapsules = listCapsules;
  }
});

test("log-ins behind a trusted proxy are limited by the address of the client, however the proxy writes it", async () => {
  const login = async (forwarded: string, from = "127.0.0.9"): Promise<number> => {
    const asked = {
      method: "POST",
      path: "/v1/auth/login",
      headers: { "content-type": "application/json", "x-forwarded-for": forwarded },
      body: JSON.stringify({ email: "nobody@example.org", password: "guess" }),
      from,
    };
    return (await rawRequest(platform.url, asked)).status;
  };
  // A log-in for each spelling, so that each would be a client for itself.
  for (const spellings of [
    Array.from({ length: 2 * BURST }, (_, n) => `192.0.2.77:${1024 + n}`),
    Array.from({ length: 2 * BURST }, (_, n) => `[2001:db8:f:f::${n}]:${1024 + n}`),
    Array.from({ length: 2 * BURST }, (_, n) => `203.0.113.${n}, unknown-${n}`),
    Array.from({ length: 2 * BURST }, (_, n) => `_hidden${n}`),
  ]) {
    const statuses = [];
    for (const spelling of spellings) statuses.push(await login(spelling));
    assert.ok(statuses.includes(429), `${spellings[0]}: ${statuses.join()}`);
    assert.equal(await login("192.0.2.78:1024"), 401, "another client");
    platform.clock.advance(10 * 60_000);
  }
});

test("guesses at a password from one network do not lock its owner out elsewhere", async () => {
  const { email, password } = await platform.person("target");
  const login = async (secret: string, client: string): Promise<number> => {
    const asked = {
      method: "POST",
      path: "/v1/auth/login",
      headers: { "content-type": "application/json", "x-forwarded-for": client },
      body: JSON.stringify({ email, password: secret }),
      from: "127.0.0.9",
    };
    return (await rawRequest(platform.url, asked)).status;
  };
  const statuses = [];
  for (let n = 0; n < 12; n += 1) statuses.push(await login("guess", `2001:db8:a:a::${n}`));
  assert.deepEqual(
    [...new Set(statuses)].toSorted((a, b) => a - b),
    [401, 429],
  );
  assert.equal(await login(password, "2001:db8:a:a::99"), 429);
  assert.equal(await login(password, "198.51.100.50"), 200);
});

test("guesses from many networks slow an account down by seconds and never lock it", async () => {
  const { email, password } = await platform.person("crowded");
  const login = async (secret: string, client: string): Promise<number> => {
    const asked = {
      method: "POST",
      path: "/v1/auth/login",
      headers: { "content-type": "application/json", "x-forwarded-for": client },
      body: JSON.stringify({ email, password: secret }),
      from: "127.0.0.9",
    };
    return (await rawRequest(platform.url, asked)).status;
  };
  for (let round = 0; round < 11; round += 1)
    await Promise.all(
      Array.from({ length: 5 }, (_, n) => login("guess", `198.51.100.${100 + 5 * round + n}`)),
    );
  // One place of the account becomes free in 6 s: of several log-ins most wait.
  const owners = Array.from({ length: 6 }, async (_, n) => {
    const started = performance.now();
    assert.equal(await login(password, `192.0.2.${200 + n}`), 200);
    return performance.now() - started;
  });
  const slowest = Math.max(...(await Promise.all(owners)));
  assert.ok(slowest >= 1900 && slowest < 30_000, `${slowest} ms`);
  assert.equal(
    reasonOf(await platform.call("POST", "/v1/auth/login", { body: { email, password: "no" } })),
    "login_failed",
  );
});

test("a sign-up that was answered is not lost while as many passwords wait as may", async () => {
  const json = { "content-type": "application/json" };
  const send = async (path: string, body: unknown, from: string): Promise<number> =>
    (
      await rawRequest(platform.url, {
        method: "POST",
        path,
        headers: json,
        body: JSON.stringify(body),
        from,
      })
    ).status;
  const logins = Array.from({ length: 120 }, (_, n) =>
    send("/v1/auth/login", { email: `x${n}@example.org`, password: "guess" }, `127.0.20.${n + 1}`),
  );
  const settled = Promise.allSettled(logins);
  await Promise.any(logins.map(async (login) => assert.equal(await login, 429)));
  const email = "patient@example.org";
  const signUps = [];
  for (let n = 0; n < 10; n += 1)
    signUps.push(
      send(
        "/v1/auth/signup",
        { email: `${n}${email}`, password: "a password", name: "P" },
        `127.0.21.${n + 1}`,
      ),
    );
  assert.deepEqual(new Set(await Promise.all(signUps)), new Set([201]));
  await platform.settle();
  await settled;
  for (let n = 0; n < 10; n += 1) assert.notEqual(platform.mailedToken(`${n}${email}`), "", `mail ${n}`);
});
