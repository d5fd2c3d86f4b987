import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import { Connection } from "../src/lane/connection.ts";
import { encodeStart } from "../src/processes/start-request.ts";
import { request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";
import { RawLane } from "./support/raw-lane.ts";

const { operation, status } = guestChannel;

/** A signal to a whole tree takes the agent about a millisecond: without cgroups it reads all of /proc. */
const SLOW_REQUESTS = 60_000;

test(
  "an agent that reads more slowly than the host sends answers in between, on both lanes",
  { timeout: 20_000 },
  async () => {
    await using agent = await NativeAgent.start();
    const signalTree = new guestChannel.BodyWriter().u32(1).u32(0).u32(2).finish();
    const interactive = await RawLane.open(agent.interactive, guestChannel.lanes.interactive);
    const bulk = await RawLane.open(agent.bulk, guestChannel.lanes.bulk);
    const start = encodeStart(request("sleep", ["60"]), { handle: 1, ring: 16_384, label: Buffer.alloc(0) });
    interactive.request(1, operation.start, start);
    const slow = Array.from({ length: SLOW_REQUESTS }, (_, index) =>
      guestChannel.encodeRequest(interactive.epoch, index + 2, operation.signal, index + 2, signalTree),
    );
    interactive.send([Buffer.concat(slow.flat())]);
    assert.equal(await interactive.status(1), status.ok);
    bulk.request(1, operation.stat, Buffer.alloc(0));
    assert.equal(await bulk.status(1), status.badRequest);
    interactive.close();
    bulk.close();
  },
);

test("a host repeats its greeting to a guest that reads it and does not answer, at doubling intervals", async () => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-greeting-"));
  const path = join(directory, "lane.sock");
  let read = 0;
  const server = createServer((socket) =>
    socket.on("data", (bytes) => (read += bytes.length)).on("error", () => {}),
  );
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const pauses: number[] = [];
  const enough = Promise.withResolvers<void>();
  const clock: Clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      pauses.push(ms);
      if (pauses.length === 9) enough.resolve();
      // Long enough for the server to read the greeting before it.
      await systemClock.sleep(pauses.length < 9 ? 5 : 60_000, signal);
    },
  };
  const hello = { epoch: 7, nonce: randomBytes(16), linkId: 1n, lane: guestChannel.lanes.interactive };
  const connection = new Connection(
    { path },
    hello,
    { onFrame: () => {}, onDrain: () => {}, onClose: () => {} },
    clock,
  );
  await enough.promise;
  assert.deepEqual(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  assert.ok(read >= guestChannel.RESYNC_PADDING, "nothing was repeated");
  connection.close();
  await assert.rejects(connection.welcome);
  server.close();
  await rm(directory, { recursive: true });
});

test("a greeting that was answered is not ended again by each read", async (t) => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  await link.connected();
  const { mock } = t.mock.method(AbortController.prototype, "abort");
  // Many reads: what is written in between makes each line a piece of its own.
  const process = await link.processes.start(request("cat", [], { stdin: true }), t.signal);
  const output = process.output("oldest", t.signal)[Symbol.asyncIterator]();
  for (let line = 0; line < 100; line++) {
    await process.write(Buffer.from("x\n"), t.signal);
    await output.next();
  }
  assert.ok(mock.callCount() < 10, `${mock.callCount()} aborts`);
  await process.closeInput(t.signal);
  await process.wait(t.signal);
  await link.detach();
});
