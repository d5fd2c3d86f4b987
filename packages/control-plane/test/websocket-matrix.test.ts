import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import fc from "fast-check";
import { socketRoutes } from "../src/create-control-plane.ts";
import { FurnishedHostAgent, furniture } from "./support/furnished-host-agent.ts";
import { Furnisher, unknownIds } from "./support/furnished-teams.ts";
import { makeWorld } from "./support/matrix-world.ts";
import { malformedIds, mayAsk, nobodies, somebodies } from "./support/requesters.ts";
import { hostile, nearlyValidFor } from "./support/schema-arbitrary.ts";
import { TestPlatform } from "./support/test-platform.ts";
import { webSocketCall } from "./support/web-socket-call.ts";
import type { SocketAnswer } from "./support/web-socket-call.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const RUNS = LONG ? 2000 : 40;
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));

const platform = await TestPlatform.start({
  host: new FurnishedHostAgent(),
  rates: { perAddress: undefined },
});
after(() => platform[Symbol.asyncDispose]());
const world = await makeWorld(platform, await Furnisher.open(platform));
const { ours, theirs } = world;

const command = JSON.stringify({ type: "start", cmd: "true" });
/** A message that a session of this kind ends after. */
const startOf = (kind: string): string =>
  kind.startsWith("ports/") ? JSON.stringify({ type: "end" }) : command;

function pathOf(kind: string, capsule: string): string {
  const query = kind === "files/watch" ? `?path=${furniture.file}` : "";
  return `/v1/capsules/${capsule}/${kind.replace(":selector", furniture.tag).replace(":port", "80")}${query}`;
}

const errorsOf = ({ messages }: SocketAnswer): readonly unknown[] =>
  messages
    .map((text) => JSON.parse(text) as { readonly type?: string; readonly data?: unknown })
    .filter(({ type }) => type === "error")
    .map(({ data }) => data);

for (const { path: kind, scope } of socketRoutes) {
  const start = startOf(kind);
  test(`${kind} is for who may ${scope}, and tells nothing of others`, async () => {
    const auth = JSON.stringify({ type: "auth", token: "a.b.c" });
    for (const who of nobodies) {
      const answer = await webSocketCall(platform.url, pathOf(kind, ours.ids.capsule), {
        headers: who.headers(world),
        messages: [auth, start],
      });
      assert.deepEqual([errorsOf(answer), answer.code], [["authentication failed"], 1008], who.name);
    }
    for (const who of somebodies) {
      const call = async (capsule: string): Promise<SocketAnswer> =>
        await webSocketCall(platform.url, pathOf(kind, capsule), {
          headers: who.headers(world),
          messages: [start],
        });
      const own = await call(ours.ids.capsule);
      const [foreign, unknown] = [await call(theirs.ids.capsule), await call(unknownIds().capsule)];
      assert.deepEqual(foreign, unknown, who.name);
      assert.deepEqual(errorsOf(foreign).length, 1, who.name);
      const lets = mayAsk(who, scope);
      if (!lets) assert.match(String(errorsOf(own)[0]), /lacks the scope/, who.name);
      else if (who.outside) assert.deepEqual(errorsOf(own), ["sandbox not found"], who.name);
      else assert.deepEqual([errorsOf(own), own.code], [[], 1000], `${who.name}: ${own.messages.join()}`);
      const malformed = await call(encodeURIComponent(malformedIds.capsule));
      assert.deepEqual([malformed.status, malformed.code], [400, 0], who.name);
    }
  });

  test(`${kind} lets a person in by the first message`, async () => {
    const { token } = ours.people.member;
    const answer = await webSocketCall(platform.url, pathOf(kind, ours.ids.capsule), {
      messages: [JSON.stringify({ type: "auth", token }), start],
    });
    assert.deepEqual([errorsOf(answer), answer.code], [[], 1000], answer.messages.join());
  });

  test(`${kind} lets a key in by the first message, as far as its scopes go`, async () => {
    const call = async (auth: object, capsule = ours.ids.capsule): Promise<SocketAnswer> =>
      await webSocketCall(platform.url, pathOf(kind, capsule), {
        messages: [JSON.stringify({ type: "auth", ...auth }), start],
      });
    const { keys } = ours;
    for (const [name, key] of Object.entries(keys)) {
      const answer = await call({ api_key: key });
      if (name === scope || name === "all")
        assert.deepEqual([errorsOf(answer), answer.code], [[], 1000], name);
      else if (name !== "run") assert.match(String(errorsOf(answer)[0]), /lacks the scope/, name);
    }
    assert.deepEqual(errorsOf(await call({ api_key: keys.all }, theirs.ids.capsule)), ["sandbox not found"]);
    const { token } = ours.people.member;
    for (const wrong of [{ api_key: "" }, { api_key: token }, { api_key: 5 }, { token: keys.all }])
      assert.deepEqual(errorsOf(await call(wrong)), ["authentication failed"], JSON.stringify(wrong));
    const both = await call({ api_key: "wrn_x", token });
    assert.match(
      String(errorsOf(both)[0]),
      /authentication failed|token is not known here/,
      "the key decides",
    );
  });

  test(`${kind} takes whatever comes first`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    const opening = {
      type: "object",
      required: ["type", "cmd"],
      properties: {
        type: { anyOf: [{ const: "start" }, { const: "connect" }, { const: "auth" }] },
        cmd: { type: "string", minLength: 1, maxLength: 4096 },
        args: { type: "array", items: { type: "string" } },
        envs: { type: "object", patternProperties: { "^[^=]+$": { type: "string" } } },
        cols: { type: "integer", minimum: 0, maximum: 10_000 },
        timeout_sec: { type: "integer", minimum: 0, maximum: 86_400 },
        tag: { type: "string", minLength: 1, maxLength: 128 },
        from: { type: "integer", minimum: 0 },
      },
    };
    const messages = fc.oneof(
      nearlyValidFor(opening).map((value) => JSON.stringify(value)),
      hostile.map((value) => JSON.stringify(value)),
      fc.constantFrom(
        "",
        "{",
        "null",
        "[".repeat(50_000),
        `"${"a".repeat(1_000_000)}"`,
        "a".repeat(1_200_000),
      ),
      fc.uint8Array({ maxLength: 200 }),
    );
    const property = fc.asyncProperty(messages, fc.boolean(), async (first, named) => {
      const answer = await webSocketCall(platform.url, pathOf(kind, ours.ids.capsule), {
        headers: named ? { "x-api-key": ours.keys.all } : {},
        messages: [first, start],
      });
      assert.equal(answer.status, 101);
      assert.ok([1000, 1008, 1009, 1011].includes(answer.code), String(answer.code));
      const text = answer.messages.join();
      assert.doesNotMatch(text, /internal error/);
      assert.ok(!text.includes(theirs.marker), text);
      if (!named && answer.code !== 1009) assert.deepEqual(errorsOf(answer), ["authentication failed"]);
    });
    await fc.assert(property, { seed, numRuns: RUNS });
    assert.equal((await platform.call("GET", "/health")).status, 200);
  });
}

test("sessions in capsules of the platform are its administrators' only", async () => {
  const admin = world.admin.people.owner;
  const made = await platform.call("POST", "/v1/admin/capsules", { token: admin.token, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const id = String(made.body["id"]);
  const adminPath = (kind: string, capsule: string): string =>
    pathOf(kind, capsule).replace("/v1/", "/v1/admin/");
  for (const { path: kind } of socketRoutes) {
    const start = startOf(kind);
    for (const who of somebodies) {
      const answer = await webSocketCall(platform.url, adminPath(kind, id), {
        headers: who.headers(world),
        messages: [start],
      });
      const refusal = who.scopes ? /Bearer <token> required/ : /administrator of the platform/;
      if (who.platform) assert.deepEqual([errorsOf(answer), answer.code], [[], 1000], who.name);
      else assert.match(String(errorsOf(answer)[0]), refusal, who.name);
    }
    const auth = JSON.stringify({ type: "auth", token: admin.token });
    const first = await webSocketCall(platform.url, adminPath(kind, id), { messages: [auth, start] });
    assert.deepEqual([errorsOf(first), first.code], [[], 1000], first.messages.join());
    const ofTeam = await webSocketCall(platform.url, adminPath(kind, ours.ids.capsule), {
      messages: [auth, start],
    });
    assert.deepEqual(errorsOf(ofTeam), ["sandbox not found"]);
  }
});

test("paths of no session are refused before there is one", async () => {
  for (const rest of ["", "exec", "pty/", "processes//stream", "processes/a/b/stream", "__proto__", "%00"]) {
    const answer = await webSocketCall(platform.url, `/v1/capsules/${ours.ids.capsule}/${rest}`, {
      headers: { "x-api-key": ours.keys.all },
    });
    assert.equal(answer.status, 404, rest);
    assert.match(answer.messages.join(), /"reason":"route_not_found"/, rest);
  }
});

/** Opens a session for commands, writes these messages in pieces of 1 KB, and collects what the server sends until it closes. */
async function writeSlowly(headers: readonly string[], messages: readonly string[]) {
  const { hostname, port } = new URL(platform.url);
  const socket = connect({ port: Number(port), host: hostname });
  after(() => socket.destroy());
  socket.on("error", () => undefined);
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const lines = [
    `GET ${pathOf("exec/stream", ours.ids.capsule)} HTTP/1.1`,
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
    "",
    "",
  ];
  // Masked by zeros.
  const frames = messages.map((text) => {
    const head = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUIntBE(Buffer.byteLength(text), 4, 6);
    return Buffer.concat([head, Buffer.from(text)]);
  });
  socket.write(lines.join("\r\n"));
  const bytes = Buffer.concat(frames);
  for (let at = 0; at < bytes.length && !socket.destroyed; at += 1000) {
    socket.write(bytes.subarray(at, at + 1000));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const isDone = setInterval(() => {
    if (/"type":"exit"/.test(received)) socket.end();
  }, 10);
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 4000).unref())]);
  clearInterval(isDone);
  return { received, isClosed: socket.destroyed };
}

test("a first message may be long after valid credentials, and is cut at 16 KiB without", async () => {
  const long = JSON.stringify({ type: "start", cmd: "true", args: ["x".repeat(200_000)] });
  const byHeader = await writeSlowly([`X-API-Key: ${ours.keys.all}`], [long]);
  assert.match(byHeader.received, /"type":"exit"/);
  const auth = JSON.stringify({ type: "auth", token: ours.people.member.token });
  assert.match((await writeSlowly([], [auth, long])).received, /"type":"exit"/);
  assert.match(
    (await writeSlowly([`X-API-Key: wrn_${"0".repeat(32)}`], [auth, long])).received,
    /"type":"exit"/,
  );

  const wrong = await writeSlowly([`X-API-Key: wrn_${"0".repeat(32)}`], [long]);
  assert.ok(wrong.isClosed);
  assert.doesNotMatch(wrong.received, /"type"/);
  // What follows the only chance to authenticate is not kept, and the client still learns why.
  const refused = await writeSlowly([], [JSON.stringify({ type: "auth", token: "a.b.c" }), long]);
  assert.ok(refused.isClosed);
  assert.match(refused.received, /authentication failed/);
});
