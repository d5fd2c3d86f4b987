import assert from "node:assert/strict";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { connect as connectHttp2 } from "node:http2";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

/* Clients that announce bodies and hold them back: what that may cost is bounded for capsules, teams, networks and the server. */

const MIB = 1 << 20;
let platform: TestPlatform;
let key: string;
let otherKey: string;
const capsules: string[] = [];

before(async () => {
  platform = await TestPlatform.start({
    rates: { perAddress: undefined },
    bodyLimits: {
      capsule: 2 * MIB,
      team: 4 * MIB,
      server: 6 * MIB,
      network: MIB,
      site: 2 * MIB,
      anonymous: 2 * MIB,
    },
  });
  key = platform.apiKey;
  const { token } = await platform.person("other");
  const made = await platform.call("POST", "/v1/api-keys", { token, body: { name: "k" } });
  otherKey = String(made.body["key"]);
  for (let n = 0; n < 3; n++)
    capsules.push(String((await platform.call("POST", "/v1/capsules", { key, body: {} })).body["id"]));
});
after(() => platform[Symbol.asyncDispose]());

const exec = (capsule: number): string => `/v1/capsules/${capsules[capsule]}/exec`;

interface Unfinished {
  readonly socket: Socket;
  readonly received: () => string;
}

const open = new Set<Socket>();

/** A request whose body begins and does not end. */
async function begin(path: string, fields: readonly string[], from = "127.0.0.1"): Promise<Unfinished> {
  const { hostname, port } = new URL(platform.url);
  const socket = connect({ host: hostname, port: Number(port), localAddress: from });
  open.add(socket);
  let received = "";
  socket.on("error", () => undefined).on("data", (piece: Buffer) => (received += piece.toString("latin1")));
  const head = [`POST ${path} HTTP/1.1`, "Host: x", "Content-Type: application/json", ...fields];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  socket.write(fields.includes("Transfer-Encoding: chunked") ? "1\r\n{\r\n" : '{"cmd":"');
  // Answers of another request say that this one was seen.
  await platform.call("GET", "/v1/capsules", { key });
  await platform.call("GET", "/v1/capsules", { key });
  return { socket, received: () => received };
}

async function leaveAll(): Promise<void> {
  for (const socket of open) socket.destroy();
  open.clear();
  await eventually("bodies of those who left are free", async () => (await run(0)).status !== 429);
}

/** A small command, which is answered with another status than 429 when there is room for its body. */
const run = async (capsule: number, body: unknown = { cmd: "true" }) =>
  await platform.call("POST", exec(capsule), { key, body });

const whole = [`Content-Length: ${MIB}`];

test("bodies that are held back are bounded for a capsule and a team, and other teams are served", async () => {
  const credentials = [`X-API-Key: ${key}`, ...whole];
  const begun = [];
  for (const capsule of [0, 0, 1, 2]) begun.push(await begin(exec(capsule), credentials));
  const fifth = await begin(exec(2), credentials);
  await eventually("the fifth is refused", () => fifth.received().startsWith("HTTP/1.1 429 "));
  assert.match(fifth.received(), /retry-after: 1/i);
  assert.match(fifth.received(), /requests of this team/);
  for (const { received } of begun) assert.equal(received(), "");
  assert.equal(reasonOf(await run(1)), "bodies_full");
  const others = await platform.call("POST", "/v1/capsules", { key: otherKey, body: {} });
  assert.ok(others.status < 300, JSON.stringify(others.body));
  await leaveAll();
});

test("one capsule's bodies leave room for other capsules of the team", async () => {
  const credentials = [`X-API-Key: ${key}`, ...whole];
  for (let n = 0; n < 2; n++) await begin(exec(0), credentials);
  const refused = await run(0);
  assert.deepEqual([refused.status, reasonOf(refused)], [429, "bodies_full"]);
  assert.notEqual((await run(1)).status, 429);
  await leaveAll();
});

test("another team cannot take the place of a capsule's bodies", async () => {
  for (let n = 0; n < 2; n++) await begin(exec(0), [`X-API-Key: ${otherKey}`, ...whole]);
  assert.notEqual((await run(0)).status, 429);
  await leaveAll();
});

test("a body without a length counts with the longest that is taken", async () => {
  const chunked = [`X-API-Key: ${key}`, "Transfer-Encoding: chunked"];
  for (let n = 0; n < 2; n++) await begin(exec(0), chunked);
  assert.equal((await run(0)).status, 429);
  await leaveAll();
  const session = connectHttp2(await platform.serveHttp2());
  await eventually("streams count", async () => {
    const stream = session.request({
      ":method": "POST",
      ":path": exec(0),
      "x-api-key": key,
      "content-type": "application/json",
    });
    stream.on("error", () => undefined).write("{");
    return (await run(0)).status === 429;
  });
  session.destroy();
  await leaveAll();
});

test("clients without credentials are bounded by network, on routes and where there is no route", async () => {
  for (const [path, length, times] of [
    ["/v1/auth/login", 65_536, 16],
    ["/v1/hosts/auth/refresh", MIB, 1],
    ["/nowhere", MIB, 1],
  ] as const) {
    for (let n = 0; n < times; n++) await begin(path, [`Content-Length: ${length}`], "127.0.4.4");
    const refused = await begin(path, ["Content-Length: 20"], "127.0.4.4");
    await eventually(`${path} is refused`, () => refused.received().startsWith("HTTP/1.1 429 "));
    const login = { email: "x@example.org", password: "12345678" };
    assert.equal((await platform.call("POST", "/v1/auth/login", { body: login })).status, 401, path);
    await leaveAll();
  }
  const long = await begin("/v1/auth/login", ["Content-Length: 65537"], "127.0.4.4");
  await eventually("a long body is refused", () => long.received().startsWith("HTTP/1.1 413 "));
  await leaveAll();
});

test("bodies that arrive free their room with the answer", async () => {
  for (let n = 0; n < 12; n++)
    assert.notEqual((await run(0, { cmd: "true", args: ["x".repeat(900_000)] })).status, 429);
});

test("bodies that are passed on as they arrive are not counted", async () => {
  const path = `/v1/capsules/${capsules[0]}/files/write`;
  for (let n = 0; n < 5; n++) await begin(path, [`X-API-Key: ${key}`, `Content-Length: ${MIB}`]);
  assert.notEqual((await run(0)).status, 429);
  await leaveAll();
});
