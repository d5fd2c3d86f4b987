import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { request } from "node:https";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { DAY_MS, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { HostAuthority } from "@wrenn/host-link";
import type { LinkCredentials } from "@wrenn/host-link";
import { authority, hostCredentials, keys, TestLink } from "./support/test-link.ts";

let link: TestLink;
before(async () => {
  link = await TestLink.open();
});
after(() => link[Symbol.asyncDispose]());

const signal = AbortSignal.timeout(60_000);
const foreign = new HostAuthority(
  await HostAuthority.make(systemClock, systemRandom),
  systemClock,
  systemRandom,
);

async function refused(what: string, credentials: LinkCredentials): Promise<void> {
  const agent = await link.client({ credentials });
  link.asked.length = 0;
  await assert.rejects(agent.facts(signal), { reason: "host_unavailable" }, what);
  assert.deepEqual(link.asked, [], `${what}: the agent was asked`);
}

test("only a control plane of the same authority is served", async () => {
  const ours = await authority.issueControlPlane();
  await refused("another authority", { ...(await foreign.issueControlPlane()), ca: ours.ca });
  await refused("a host's certificate", await hostCredentials("host-2"));
  const yesterday = new HostAuthority(
    keys,
    { ...systemClock, now: () => Date.now() - 2 * DAY_MS },
    systemRandom,
  );
  await refused("a certificate that is over", await yesterday.issueControlPlane());
  assert.ok(await (await link.client()).facts(signal));
});

test("a control plane speaks only with the host that it means", async () => {
  const agent = await link.client({ hostId: "host-2" });
  await assert.rejects(agent.facts(signal), { reason: "host_unavailable" });
  const other = await foreign.issueControlPlane();
  const mistrusting = await link.client({
    credentials: { ...(await authority.issueControlPlane()), ca: other.ca },
  });
  await assert.rejects(mistrusting.facts(signal), { reason: "host_unavailable" });
});

test("who brings no certificate, or no TLS, gets no answer", async () => {
  const bare = connectTls({ port: link.port, host: "127.0.0.1", rejectUnauthorized: false });
  const ended = new Promise<string>((resolve) => {
    bare.once("error", (error) => resolve(String(error)));
    bare.once("close", () => resolve("closed"));
  });
  bare.write("POST /call/facts HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]");
  bare.on("data", (data: Buffer) => assert.fail(`answered ${data.toString()}`));
  await ended;
  const plain = connectTcp({ port: link.port, host: "127.0.0.1" });
  plain.write("POST /call/facts HTTP/1.1\r\nHost: x\r\n\r\n");
  let answered = "";
  plain.on("data", (data: Buffer) => (answered += data.toString("latin1")));
  plain.on("error", () => undefined);
  await once(plain, "close");
  assert.doesNotMatch(answered, /HTTP/);
});

test("renewed credentials are shown from the next connection on, and what is open stays", async () => {
  const before_ = await link.client();
  await before_.facts(signal);
  link.server.renew(await hostCredentials("host-3"));
  assert.ok(await before_.facts(signal), "its connection was there before");
  await assert.rejects((await link.client()).facts(signal), { reason: "host_unavailable" });
  assert.ok(await (await link.client({ hostId: "host-3" })).facts(signal));
  link.server.renew(await hostCredentials());
});

/** One frame whose header is this value. */
function frame(header: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(text.length);
  return Buffer.concat([lengths, text]);
}

/** Sends anything as a control plane. */
async function send(path: string, body: string | Buffer): Promise<{ status: number; text: string }> {
  const { key, cert, ca } = await authority.issueControlPlane();
  const sent = request({
    port: link.port,
    host: "127.0.0.1",
    key,
    cert,
    ca,
    checkServerIdentity: () => undefined,
    path,
    method: "POST",
    agent: false,
  });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [AsyncIterable<Buffer> & { statusCode: number }];
  let text = "";
  for await (const part of response) text += part.toString();
  return { status: response.statusCode, text };
}

test("what is no request of ours is refused with a reason, and the agent is not asked", async () => {
  link.asked.length = 0;
  const garbage: readonly (readonly [string, string | Buffer])[] = [
    ["/", ""],
    ["/call/constructor", "[]"],
    ["/call/__proto__", "[]"],
    ["/call/facts", "{"],
    ["/call/facts", "[1]"],
    ["/call/createCapsule", '[{"id":"cl-1"}]'],
    ["/call/createCapsule", '[{"$":"bytes","v":5}]'],
    ["/call/metrics", '["cl-1","99h"]'],
    ["/call/hold", '[{"id":"cl-1","key":"k","ms":999999999}]'],
    ["/stream/output", '["cl-1",{"pid":-1,"startedAt":0},"oldest"]'],
    ["/stream/nothing", "[]"],
    ["/input", ""],
    ["/input", Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])],
    ["/input", frame(["cl-1", { pid: -1, startedAt: 0 }])],
    ["/input", frame(["cl-1"])],
    ["/upload", Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])],
    ["/upload", Buffer.from([0, 0, 0, 2, 0, 0, 0, 0, 123])],
    ["/upload", ""],
  ];
  for (const [path, body] of garbage) {
    const { status, text } = await send(path, body);
    assert.equal(status, 500, `${path} ${String(body)}: ${text}`);
    assert.match(text, /"error":\{/, path);
  }
  assert.deepEqual(link.asked, []);
});

test("nobody at the address is one typed error, at once", async () => {
  const agent = await link.client({ port: 1 });
  await assert.rejects(agent.facts(signal), { reason: "host_unavailable" });
  await assert.rejects(agent.dial("cl-1", 80, { halfOpen: false, signal }), { reason: "host_unavailable" });
  const content = (async function* () {
    yield Buffer.from("x");
  })();
  await assert.rejects(agent.files("cl-1").write("/x", content, { signal }), { reason: "host_unavailable" });
});

test("connections without a certificate are bounded, and those of control planes are not counted among them", async () => {
  await using busy = await TestLink.open(undefined, { perNetwork: 8, perSite: 8, inAll: 8 });
  const strangers = Array.from({ length: 40 }, () => connectTcp({ port: busy.port, host: "127.0.0.1" }));
  let closed = 0;
  for (const socket of strangers) {
    socket.on("error", () => undefined);
    socket.resume().once("close", () => closed++);
  }
  await eventually("those beyond the limit are closed", () => closed === 32);
  strangers.forEach((socket) => socket.destroy());
  await eventually("the others are forgotten", async () => {
    const agent = await busy.client();
    return (await agent.facts(signal).catch(() => undefined)) !== undefined;
  });
  // Far more than eight, each with a connection: nothing of them is in a handshake for long.
  for (let round = 0; round < 20; round++) assert.ok(await (await busy.client()).facts(signal));
});

test("strangers of many addresses who take every place keep out no control plane", async () => {
  const inAll = 24;
  await using busy = await TestLink.open(undefined, { perNetwork: 8, perSite: 8, inAll });
  const strangers = Array.from({ length: inAll }, (_, n) =>
    connectTcp({ port: busy.port, host: "127.0.0.1", localAddress: `127.0.1.${1 + (n % 6)}` }),
  );
  await Promise.all(strangers.map(async (socket) => await once(socket, "connect")));
  let closed = 0;
  for (const socket of strangers) {
    socket.on("error", () => undefined);
    socket.resume().once("close", () => closed++);
  }
  for (let round = 0; round < 10; round++) assert.ok(await (await busy.client()).facts(signal));
  assert.ok(closed >= 1 && closed < inAll / 2, `${closed} were closed`);
  strangers.forEach((socket) => socket.destroy());
});

test("strangers at the limit of their address lose their oldest, not the newcomer", async () => {
  await using busy = await TestLink.open(undefined, { perNetwork: 8, perSite: 8, inAll: 100 });
  const strangers = Array.from({ length: 8 }, () => connectTcp({ port: busy.port, host: "127.0.0.1" }));
  await Promise.all(strangers.map(async (socket) => await once(socket.resume(), "connect")));
  assert.ok(await (await busy.client()).facts(signal), "from the address that they fill");
  strangers.forEach((socket) => socket.destroy());
});
