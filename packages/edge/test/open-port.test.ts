import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startByteService, startTestEdge } from "./support/test-edge.ts";
import type { TestEdge } from "./support/test-edge.ts";

const { signal } = new AbortController();
const open = async ({ edge, capsuleId }: TestEdge, port: number) =>
  await edge.openPort({ capsuleId, port }, signal);

const echoPort = async (t: TestContext): Promise<number> =>
  await startByteService(t, (socket) => void socket.pipe(socket));

test("a connection holds its capsule, and each direction ends on its own", async (t) => {
  const test = await startTestEdge(t);
  const connection = await open(test, await echoPort(t));
  assert.equal(test.edge.connections.count(test.capsuleId), 1);
  connection.end("hello");
  assert.equal(String((await connection.toArray()) as Buffer[]), "hello");
  await eventually("nothing is held", () => test.edge.connections.count(test.capsuleId) === 0);
});

test("a paused capsule with auto_resume is resumed, one without is refused", async (t) => {
  const test = await startTestEdge(t);
  const running = test.route;
  assert.ok(running);
  const paused = { ...running, status: "paused", address: undefined };
  test.route = { ...paused, autoResume: true };
  (await open(test, await echoPort(t))).destroy();
  assert.deepEqual(test.woken, [test.capsuleId]);
  test.edge.invalidate(test.capsuleId);
  test.route = paused;
  await assert.rejects(open(test, 80), { reason: "capsule_not_running" });
  test.edge.invalidate(test.capsuleId);
  test.route = undefined;
  await assert.rejects(open(test, 80), { reason: "capsule_not_found" });
});

test("a capsule of another host is reached through it", async (t) => {
  const test = await startTestEdge(t);
  assert.ok(test.route);
  const asked: unknown[] = [];
  test.route = {
    ...test.route,
    connect: async (port, { halfOpen }) => {
      asked.push(port, halfOpen);
      return new PassThrough();
    },
  };
  (await open(test, 5432)).destroy();
  assert.deepEqual(asked, [5432, true]);
});

test("what is not open says why, and holds nothing", async (t) => {
  const test = await startTestEdge(t);
  const port = await startByteService(t, () => undefined);
  const free = connect(port, "127.0.0.1");
  await once(free, "connect");
  const unused = free.localPort ?? 0;
  free.destroy();
  await once(free, "close");
  await assert.rejects(open(test, unused), { reason: "port_not_listening" });
  await assert.rejects(open(test, 49_983), { reason: "port_reserved" });
  const reason = new Error("enough");
  const { edge, capsuleId } = test;
  await assert.rejects(
    edge.openPort({ capsuleId, port }, AbortSignal.abort(reason)),
    (error) => error === reason,
  );
  assert.equal(edge.connections.count(capsuleId), 0);
});

test("a pause that has waited long enough ends it, and refuses others", async (t) => {
  const test = await startTestEdge(t);
  const port = await echoPort(t);
  const connection = await open(test, port);
  const broken = once(connection, "error");
  assert.equal(await test.edge.connections.drain(test.capsuleId, 10), false);
  await assert.rejects(open(test, port), { reason: "port_draining" });
  test.edge.connections.forceClose(test.capsuleId);
  const [error] = (await broken) as [{ readonly reason: string }];
  assert.equal(error.reason, "port_draining");
});
