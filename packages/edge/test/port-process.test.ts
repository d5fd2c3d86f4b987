/* Drawn: tests/e2e/port-process.test.ts shows the main paths. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { connect } from "node:http2";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "@wrenn/core/testing";
import { TrustedProxies } from "@wrenn/core";
import type { WrennError } from "@wrenn/core";
import { connectTcp } from "@wrenn/system";
import { parseMessages } from "../src/port-process/message-shapes.ts";
import { errorFromWire, errorToWire, toServerShapes } from "../src/port-process/messages.ts";
import { ask, rawClient } from "./support/http-client.ts";
import type { RawClient } from "./support/http-client.ts";
import { localTls, statusOf } from "./support/http2-lab.ts";
import { openOf, peers } from "./support/peer.ts";
import { startByteService, startService, startTestEdge } from "./support/test-edge.ts";
import type { TestEdge, TestEdgeOptions } from "./support/test-edge.ts";
import { goodKey } from "./support/test-grants.ts";

/* The server gives connections to ports to a process of its own, which can end at any time. */

const startLab = async (t: TestContext, options: TestEdgeOptions = {}): Promise<TestEdge> =>
  await startTestEdge(t, { ...options, throughProcess: true });

/** A service whose answers never end. */
async function startEndlessService(t: TestContext): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const port = await startByteService(t, (socket) => {
    sockets.push(socket);
    socket.once("data", () =>
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nready:\r\n"),
    );
  });
  return { port, sockets };
}

function get(t: TestContext, edge: TestEdge, host: string, fields = ""): RawClient {
  const client = rawClient(t, edge.server.port);
  client.socket.on("error", () => {});
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`);
  return client;
}

const servedBy = (edge: TestEdge): "server" | "process" | "nobody" => {
  if (edge.edge.connections.count(edge.capsuleId) > 0) return "server";
  return edge.portProcess?.inUse(edge.capsuleId) === true ? "process" : "nobody";
};

test("a connection for a port is served by the process, and one for another host by the server", async (t) => {
  const { port } = await startEndlessService(t);
  const edge = await startLab(t, {
    fallback: { request: (_request, response) => void response.end("the API"), upgrade: () => {} },
  });
  await get(t, edge, edge.host(port)).until(/ready:/);
  assert.equal(servedBy(edge), "process");
  assert.deepEqual(edge.activity.slice(0, 1), [edge.capsuleId]);
  await get(t, edge, "api.test").until(/the API/);
});

test("a request for another host on a connection of the process is answered with 421, and the connection ends", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startLab(t);
  const client = get(t, edge, edge.host(port));
  await client.until(/served/);
  client.socket.write("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n");
  await client.closed();
  assert.match(
    client.received(),
    /HTTP\/1\.1 421 [^]*X-Wrenn-Error: request_misdirected[^]*Connection: close[^]*"code":"invalid_request"/i,
  );
});

test("a stream of HTTP/2 for another host is answered with 421, and the other streams of its connection go on", async (t) => {
  const { port } = await startEndlessService(t);
  const edge = await startLab(t, { tls: await localTls(t) });
  const session = connect(`https://127.0.0.1:${edge.server.port}`, {
    rejectUnauthorized: false,
    servername: edge.host(port),
  });
  session.on("error", () => {});
  t.after(() => session.destroy());
  const lasting = session.request({ ":authority": edge.host(port), ":path": "/" });
  lasting.on("error", () => {});
  assert.equal(await statusOf(lasting), 200);
  assert.equal(servedBy(edge), "process");
  const misdirected = session.request({ ":authority": "api.test", ":path": "/" });
  assert.equal(await statusOf(misdirected), 421);
  assert.equal(lasting.closed, false);
});

test("when the process is killed its connections end, others are served, and it is started again", async (t) => {
  const { port, sockets } = await startEndlessService(t);
  const edge = await startLab(t, { access: "private" });
  const key = `X-API-Key: ${goodKey}\r\n`;
  const client = get(t, edge, edge.host(port), key);
  await client.until(/ready:/);
  const pid = edge.portProcess?.pid ?? 0;
  process.kill(pid, "SIGKILL");
  await client.closed();
  await eventually(
    "nothing is left of its connection",
    () => edge.connections.count === 0 && edge.grants.count("key") === 0 && !edge.inUse(),
  );
  await eventually("the service's side ended", () =>
    sockets.every((socket) => socket.destroyed || socket.readableEnded),
  );
  await get(t, edge, edge.host(port), key).until(/ready:/);
  assert.equal(servedBy(edge), "server");
  await eventually("another process is ready", () => {
    edge.portProcess?.wanted();
    return edge.portProcess?.isReady === true;
  });
  assert.notEqual(edge.portProcess?.pid, pid);
});

test("a drain refuses requests, waits for connections of the process and then closes them", async (t) => {
  const { port, sockets } = await startEndlessService(t);
  const edge = await startLab(t);
  const client = get(t, edge, edge.host(port));
  await client.until(/ready:/);
  const drained = edge.portProcess?.drain(edge.capsuleId, new AbortController().signal);
  assert.match(await get(t, edge, edge.host(port)).until(/"reason":"\w+"/), /port_draining/);
  assert.equal(edge.inUse(), true);
  await drained;
  await client.closed();
  await eventually(
    "nothing is open",
    () => !edge.inUse() && sockets.every((socket) => socket.destroyed || socket.readableEnded),
  );
  edge.portProcess?.reset(edge.capsuleId);
  await get(t, edge, edge.host(port)).until(/ready:/);
});

test("the end of a capsule breaks its connections at once, those of the process and of the server", async (t) => {
  const { port } = await startEndlessService(t);
  const edge = await startLab(t);
  const byProcess = get(t, edge, edge.host(port));
  await byProcess.until(/ready:/);
  const byServer = await edge.edge.openPort(
    { capsuleId: edge.capsuleId, port },
    new AbortController().signal,
  );
  const broken = once(byServer, "error");
  const startedAt = performance.now();
  edge.edge.connections.end(edge.capsuleId);
  edge.portProcess?.end(edge.capsuleId);
  await byProcess.closed();
  const [error] = (await broken) as [WrennError];
  assert.equal(error.reason, "capsule_not_found");
  assert.ok(performance.now() - startedAt < 4000, "sooner than a drain");
  assert.match(await get(t, edge, edge.host(port)).until(/"reason":"\w+"/), /capsule_not_found/);
  edge.portProcess?.reset(edge.capsuleId);
  await get(t, edge, edge.host(port)).until(/ready:/);
});

test("a drain that is given up closes nothing", async (t) => {
  const { port } = await startEndlessService(t);
  const edge = await startLab(t);
  const client = get(t, edge, edge.host(port));
  await client.until(/ready:/);
  const abort = new AbortController();
  const drained = edge.portProcess?.drain(edge.capsuleId, abort.signal);
  abort.abort(new Error("given up"));
  await assert.rejects(async () => drained, /given up/);
  edge.portProcess?.reset(edge.capsuleId);
  // Longer than a drain waits.
  await delay(6000);
  assert.equal(client.socket.destroyed, false);
  await get(t, edge, edge.host(port)).until(/ready:/);
});

test("a process that does not answer a drain is killed: its connections end", async (t) => {
  const { port, sockets } = await startEndlessService(t);
  const edge = await startLab(t);
  const client = get(t, edge, edge.host(port));
  await client.until(/ready:/);
  process.kill(edge.portProcess?.pid ?? 0, "SIGSTOP");
  await edge.portProcess?.drain(edge.capsuleId, new AbortController().signal);
  await client.closed();
  await eventually("the service's side ended", () =>
    sockets.every((socket) => socket.destroyed || socket.readableEnded),
  );
});

test("a process that takes no connection is killed, and others are served", async (t) => {
  const { port } = await startEndlessService(t);
  const edge = await startLab(t);
  process.kill(edge.portProcess?.pid ?? 0, "SIGSTOP");
  const stuck = get(t, edge, edge.host(port));
  await stuck.closed();
  assert.equal(stuck.received(), "");
  await get(t, edge, edge.host(port)).until(/ready:/);
  await eventually("its place is free", () => edge.connections.count === 1);
});

test("a process that starts during a drain refuses connections to the capsule", async (t) => {
  const { port } = await startEndlessService(t);
  const edge = await startLab(t);
  process.kill(edge.portProcess?.pid ?? 0, "SIGKILL");
  await eventually("it is gone", () => edge.portProcess?.pid === undefined);
  await edge.portProcess?.drain(edge.capsuleId, new AbortController().signal);
  await eventually("another process is ready", () => {
    edge.portProcess?.wanted();
    return edge.portProcess?.isReady === true;
  });
  assert.match(await get(t, edge, edge.host(port)).until(/"reason":"\w+"/), /port_draining/);
});

test("a capsule of another host is reached by the server, and refused with 421 on a connection of the process", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startLab(t);
  const client = get(t, edge, edge.host(port));
  await client.until(/served/);
  if (edge.route)
    edge.route = {
      ...edge.route,
      connect: async (to, { halfOpen, signal }) =>
        connectTcp({ address: "127.0.0.1", port: to, halfOpen }, 1000, signal),
    };
  edge.invalidate();
  client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  await client.closed();
  assert.match(client.received(), /HTTP\/1\.1 421 [^]*request_misdirected/);
  await get(t, edge, edge.host(port)).until(/served/);
});

test("connections of trusted proxies, which are for several hosts, stay in the server", async (t) => {
  const { port } = await startEndlessService(t);
  const edge = await startLab(t, { proxies: TrustedProxies.parse("x", "127.0.0.1") });
  await get(t, edge, edge.host(port)).until(/ready:/);
  assert.equal(servedBy(edge), "server");
});

test("connections of the process count with those of the server", async (t) => {
  const { port, sockets } = await startEndlessService(t);
  const edge = await startLab(t, { listener: { perNetwork: 8, graceMs: 200 } });
  const idle = await peers(t, 4, edge.server.port);
  const busy = await peers(t, 12, edge.server.port);
  for (const { socket } of busy) socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(port)}\r\n\r\n`);
  await eventually(
    "the share of the address is left of both together",
    () => openOf([...idle, ...busy]) === 8,
  );
  assert.equal(edge.connections.count, 8);
  await eventually(
    "the service has no more",
    () => sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length <= 8,
  );
});

test("a connection of the process that serves no request ends as an idle one", async (t) => {
  const edge = await startLab(t, {
    tls: await localTls(t),
    listener: { anonymousKeepAliveMs: 1500 },
  });
  const session = connect(`https://127.0.0.1:${edge.server.port}`, {
    rejectUnauthorized: false,
    servername: edge.host(80),
  });
  session.on("error", () => {});
  t.after(() => session.destroy());
  await eventually("the session is open", () => !session.connecting);
  await eventually("the session is closed", () => session.closed, { timeoutMs: 10_000 });
  await eventually("its place is free", () => edge.connections.count === 0);
});

test("more connections at once than the process takes are served all the same", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const edge = await startLab(t);
  const answers = await Promise.all(
    Array.from({ length: 200 }, async () => ask({ port: edge.server.port, host: edge.host(port) })),
  );
  assert.deepEqual(new Set(answers.map(({ body }) => body)), new Set(["served"]));
  await eventually("every place is free again", () => edge.connections.count === 0);
});

test("the process has nothing of the server's environment, and no right to files but its program", async (t) => {
  const edge = await startLab(t);
  const directory = `/proc/${edge.portProcess?.pid}`;
  const names = (await readFile(`${directory}/environ`, "utf8"))
    .split("\0")
    .map((entry) => entry.split("=")[0]);
  assert.deepEqual(
    names.filter((name) => name !== "" && name?.startsWith("NODE_") !== true),
    [],
  );
  const options = (await readFile(`${directory}/cmdline`, "utf8")).split("\0");
  assert.ok(options.includes("--permission"));
  assert.deepEqual(
    options.filter((option) =>
      /^--allow-(?!net$|fs-read=.*\/(packages|node_modules\/@wrenn)\/)/.test(option),
    ),
    [],
  );
});

test("messages of another shape are errors", () => {
  for (const wrong of [
    undefined,
    {},
    ["ready"],
    [null],
    [{ type: "toString" }],
    [{ type: "exec" }],
    [{ type: "find", ref: 1 }],
    [{ type: "find", ref: "1", capsule: "x" }],
    [{ type: "ready" }, { type: "closed", connection: "1" }],
  ])
    assert.throws(() => parseMessages(toServerShapes, wrong), Error, JSON.stringify(wrong));
  const right = [{ type: "ready" }, { type: "find", ref: 1, capsule: "x" }];
  assert.deepEqual(parseMessages(toServerShapes, right), right);
});

test("errors of the catalogue pass as they are, and others as internal", () => {
  for (const wrong of [undefined, null, 1, {}, { reason: "constructor" }])
    assert.equal(errorFromWire(wrong).reason, "internal");
  const passed = errorFromWire(
    JSON.parse(JSON.stringify(errorToWire(errorFromWire({ reason: "port_private", context: { port: 7 } })))),
  );
  assert.deepEqual([passed.reason, passed.context], ["port_private", { port: 7 }]);
  assert.equal(errorFromWire(errorToWire(new Error("x"))).reason, "internal");
});
