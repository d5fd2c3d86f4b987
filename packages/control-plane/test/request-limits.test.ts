import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { clientNetworks, WrennError } from "@wrenn/core";
import type { AccessGrant } from "../src/http/access-grants.ts";
import type { AccessWatch } from "../src/http/access-watch.ts";
import type { Identity } from "../src/http/identity.ts";
import { KnownCredentials } from "../src/http/known-credentials.ts";
import { RateLimiter } from "../src/http/rate-limiter.ts";
import { defaultRates, RequestLimits } from "../src/http/request-limits.ts";
import { FurnishedHostAgent } from "./support/furnished-host-agent.ts";
import { rawRequest } from "./support/raw-request.ts";
import { reasonOf, TestClock, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/** Slow enough that what is taken comes back when the clock is advanced, and not while a busy machine takes its time. */
const platform = await TestPlatform.start({
  host: new FurnishedHostAgent(),
  rates: {
    perKey: { burst: 20, everyMs: 2000 },
    perAddress: { burst: 10, everyMs: 30_000 },
    creates: { burst: 4, everyMs: 60_000 },
  },
});
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key } = platform;

/** As many as are let through before the first 429, which comes as the catalogue says. */
async function countUntilRefused(ask: () => Promise<Answer>): Promise<number> {
  for (let count = 0; count < 100; count++) {
    const answer = await ask();
    if (answer.status !== 429) continue;
    assert.equal(reasonOf(answer), "rate_limited");
    const seconds = Number(answer.headers.get("retry-after"));
    assert.ok(Number.isInteger(seconds) && seconds >= 1, String(seconds));
    return count;
  }
  return assert.fail("nothing was refused");
}

test("a key is let through at its rate, and another key, a person and whoever needs none are not held up", async () => {
  const person = await platform.person("unhurried");
  const made = await platform.call("POST", "/v1/api-keys", { token: person.token, body: {} });
  platform.clock.advance(60_000);
  const tried = await countUntilRefused(() => platform.call("GET", "/v1/capsules", { key }));
  assert.ok(tried >= 20 && tried < 60, String(tried));
  const other = String(made.body["key"]);
  assert.equal((await platform.call("GET", "/v1/capsules", { key: other })).status, 200);
  assert.equal((await platform.call("GET", "/v1/capsules", { token: person.token })).status, 200);
  for (let n = 0; n < 40; n++)
    for (const free of ["/health", "/ready"]) assert.equal((await platform.call("GET", free)).status, 200);
  assert.match(await platform.text("/metrics"), /wrenn_info/);
  platform.clock.advance(4000);
  assert.equal((await platform.call("GET", "/v1/capsules", { key })).status, 200);
});

test("bad credentials count against their address, and good ones from there are not held up", async () => {
  platform.clock.advance(300_000);
  const bad = { key: `wrn_${"0".repeat(32)}` };
  const tried = await countUntilRefused(() => platform.call("GET", "/v1/capsules", bad));
  assert.ok(tried >= 10 && tried < 20, String(tried));
  assert.equal((await platform.call("GET", "/v1/capsules")).status, 429);
  assert.equal((await platform.call("GET", "/openapi.json")).status, 429);
  assert.equal((await platform.call("GET", "/v1/capsules", { key })).status, 200);
  const elsewhere = await rawRequest(platform.url, {
    method: "GET",
    path: "/v1/capsules",
    from: "127.0.9.9",
  });
  assert.equal(elsewhere.status, 401);
  const heartbeat = await platform.call("POST", "/v1/hosts/host-0000000000000000000000000/heartbeat", {
    headers: { "x-host-token": "none" },
  });
  assert.equal(heartbeat.status, 429);
});

test("a team begins capsules at its rate, forks counted by child, over all of its keys", async () => {
  platform.clock.advance(300_000);
  const { token } = await platform.person("founder");
  const second = await platform.call("POST", "/v1/api-keys", { token, body: {} });
  const made = await platform.call("POST", "/v1/capsules", { token, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const fork = await platform.call("POST", `/v1/capsules/${String(made.body["id"])}/fork`, {
    token,
    body: { count: 3 },
  });
  assert.equal(fork.status, 201, JSON.stringify(fork.body));
  const refused = await platform.call("POST", "/v1/capsules", { key: String(second.body["key"]), body: {} });
  assert.deepEqual([refused.status, reasonOf(refused)], [429, "rate_limited"]);
  assert.equal((await platform.call("POST", "/v1/capsules", { key, body: {} })).status, 201);
  platform.clock.advance(61_000);
  assert.equal((await platform.call("POST", "/v1/capsules", { token, body: {} })).status, 201);
});

test("the documented rates are those of the code", async () => {
  const text = await readFile(join(import.meta.dirname, "../../../docs/operations/limits.md"), "utf8");
  for (const [field, name] of [
    ["perKey", "WRENN_KEY_RATE"],
    ["perAddress", "WRENN_ADDRESS_RATE"],
    ["creates", "WRENN_CREATE_RATE"],
  ] as const) {
    const { burst, everyMs } = defaultRates[field] ?? assert.fail(field);
    const line = text.split("\n").find((one) => one.includes(`\`${name}\``)) ?? assert.fail(name);
    const cells = line.split("|").map((cell) => cell.trim());
    assert.deepEqual([Number.parseInt(cells[2] ?? "", 10), cells[3]], [1000 / everyMs, String(burst)]);
  }
});

test("an IPv6 client is its network, however it is written, and part of a site", () => {
  const one = clientNetworks("2001:db8:1:2::1");
  assert.deepEqual(clientNetworks("2001:0db8:0001:0002:ffff:ffff:ffff:ffff"), one);
  const neighbour = clientNetworks("2001:db8:1:3::1");
  assert.notEqual(neighbour.narrow, one.narrow);
  assert.equal(neighbour.wide, one.wide);
  assert.notEqual(clientNetworks("2001:db8:2::1").wide, one.wide);
  assert.deepEqual(clientNetworks("::ffff:192.0.2.1"), { narrow: "192.0.2.1", wide: undefined });
  assert.notEqual(clientNetworks("::1").narrow, clientNetworks("2001:db8::1").narrow);
  assert.equal(clientNetworks("fe80::1").narrow, clientNetworks("fe80::2").narrow);
});

test("the state of a limiter is bounded, and forgets the oldest first", () => {
  const limiter = new RateLimiter(new TestClock());
  const rate = { burst: 1, everyMs: 3_600_000 };
  const isFree = (name: string): boolean => {
    try {
      limiter.take(name, rate);
      return true;
    } catch (error) {
      if (WrennError.is(error, "rate_limited")) return false;
      throw error;
    }
  };
  assert.equal(isFree("first"), true);
  assert.equal(isFree("first"), false);
  for (let n = 0; n < 100_000; n++) limiter.take(`key ${n}`, rate);
  assert.equal(isFree("key 99999"), false);
  assert.equal(isFree("first"), true);
  const many = { burst: 10, everyMs: 3_600_000 };
  limiter.take("many", many, 1000);
  assert.throws(() => limiter.take("many", many), { reason: "rate_limited" });
});

test("the connection of a caller learns of the access that their credentials give", async () => {
  const clock = new TestClock();
  const identity: Identity = { teamId: "team", key: { id: "key", name: "", scopes: ["run"] } };
  const known = new KnownCredentials({ authenticate: async () => identity }, clock);
  const held: AccessGrant[] = [];
  const access: Pick<AccessWatch, "hold"> = {
    hold: (grant) => {
      held.push(grant);
      return () => undefined;
    },
  };
  const limits = new RequestLimits(
    { clock, known, access },
    {
      onAuthenticated: (socket, teamId, shown) => {
        assert.deepEqual([socket.remotePort, teamId], [1, "team"]);
        shown.hold(() => undefined);
      },
    },
  );
  await limits.admit({ headers: { "x-api-key": "k" }, socket: { remotePort: 1 } });
  assert.deepEqual(held, [{ kind: "key", keyId: "key", teamId: "team", scope: "run" }]);
});
