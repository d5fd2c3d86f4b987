import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { after, test } from "node:test";
import { Bell, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleProcess, CapsuleProcesses, OutputEvent } from "@wrenn/protocol";
import { createApp } from "../src/http/create-app.ts";
import { writeToClient } from "../src/http/lasting-answer.ts";
import { jsonFrame, outputFrame } from "../src/processes/output-frames.ts";
import { registerProcesses } from "../src/processes/register-processes.ts";
import { OutputClient } from "./support/output-client.ts";
import { unusedSessions } from "./support/process-deps.ts";

/* The frames of an output stream, and what is sent while there is no output. */

test("a frame is its kind, three zeros, the length of the payload, and the payload", () => {
  assert.deepEqual(outputFrame(0), Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]));
  assert.deepEqual(outputFrame(1, Buffer.from("ab")), Buffer.from([1, 0, 0, 0, 0, 0, 0, 2, 0x61, 0x62]));
  const large = outputFrame(2, Buffer.alloc(70_000, 7));
  assert.deepEqual(large.subarray(0, 9), Buffer.from([2, 0, 0, 0, 0, 1, 0x11, 0x70, 7]));
  assert.deepEqual(jsonFrame(5, { exit_code: 0 }).subarray(8).toString(), '{"exit_code":0}');
});

const HEARTBEAT_MS = 100;
/** What the process prints, as far as it has. */
let events: OutputEvent[] = [];
/** Events that were taken. */
let taken = 0;
const printed = new Bell();
const command = {
  facts: { pid: 7, tag: "command" },
  output: async function* (_from: unknown, signal: AbortSignal): AsyncGenerator<OutputEvent> {
    for (taken = 0; !signal.aborted;) {
      const event = events[taken];
      if (!event)
        await Promise.race([
          printed.next,
          new Promise((resolve) => signal.addEventListener("abort", resolve)),
        ]);
      else {
        taken += 1;
        yield event;
        if (event.type === "exit") return;
      }
    }
    throw signal.reason;
  },
} as unknown as CapsuleProcess;

const closing = new AbortController();
const app = await createApp({ logger: silentLogger, random: systemRandom }, "0.0.0");
after(() => app.close());
app.addHook("onRequest", async (request) => void (request.identity = { teamId: "team" }));
registerProcesses(app, {
  ...unusedSessions,
  closing: closing.signal,
  heartbeatMs: HEARTBEAT_MS,
  execOutputBytes: 1000,
  capsules: {
    open: async () => ({
      processes: { find: async () => command } as unknown as CapsuleProcesses,
      get files(): never {
        throw new Error("output is of processes");
      },
      touch: async () => undefined,
    }),
  },
  clock: systemClock,
});
const url = await app.listen({ host: "127.0.0.1", port: 0 });
const follow = async (): Promise<OutputClient> =>
  await OutputClient.open(`${url}/v1/capsules/cl-${"a".repeat(25)}/processes/command/output`, {});
const print = (...more: OutputEvent[]): void => {
  events.push(...more);
  printed.ring();
};
const data = (text: string): OutputEvent => ({
  type: "data",
  stream: "stdout",
  offset: 0,
  bytes: Buffer.from(text),
});

test("a heartbeat follows the start at once, and then each silence", async () => {
  events = [];
  using client = await follow();
  await client.until("the first heartbeat", () => client.of("heartbeat").length >= 1);
  assert.deepEqual(
    client.frames.slice(0, 2).map(({ kind }) => kind),
    ["started", "heartbeat"],
  );
  const startedAt = performance.now();
  await client.until("three more", () => client.of("heartbeat").length >= 4);
  assert.ok(performance.now() - startedAt >= 2 * HEARTBEAT_MS);
  print({ type: "exit", exit: { exitCode: 0 } });
  assert.equal(await client.end(), "complete");
  assert.equal(client.frames.at(-1)?.kind, "exit");
});

test("output takes the place of heartbeats", async () => {
  events = [];
  using client = await follow();
  for (let piece = 0; piece < 15; piece += 1) {
    print(data("x"));
    await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MS / 5));
  }
  assert.ok(
    client.of("heartbeat").length <= 2,
    `${client.of("heartbeat").length} heartbeats in 300 ms of output`,
  );
});

test("a client that takes nothing slows the process down, and is not sent heartbeats", async () => {
  const piece = data("x".repeat(65_536));
  events = Array.from({ length: 300 }, () => piece);
  using client = await follow();
  client.response.pause();
  const reached = await eventually("the process to wait", async () => {
    const before = taken;
    await new Promise((resolve) => setTimeout(resolve, 3 * HEARTBEAT_MS));
    return taken === before && taken;
  });
  assert.ok(reached < 300, `${reached} pieces were taken`);
  print({ type: "exit", exit: { exitCode: 0 } });
  client.response.resume();
  await client.end();
  assert.equal(client.bytes("stdout").length, 300 * 65_536);
  assert.ok(client.of("heartbeat").length <= 2);
});

test("a client that takes nothing for too long is disconnected", async () => {
  const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
  const written = writeToClient(stuck, Buffer.alloc(100_000), new AbortController().signal, 50);
  await assert.rejects(written, { name: "TimeoutError" });
  assert.equal(stuck.destroyed, true);
});

test("when the control plane closes, the body ends without an exit", async () => {
  events = [data("so far")];
  using client = await follow();
  await client.until("the output", () => client.text("stdout") === "so far");
  closing.abort(new Error("the server is closing"));
  await client.end();
  assert.deepEqual([client.of("exit").length, client.of("error").length], [0, 0]);
});
