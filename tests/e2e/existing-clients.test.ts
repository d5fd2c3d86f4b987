import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import type { RawData } from "ws";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* What clients that were written for the contract do with a capsule on a microVM, beyond the words of the contract. */

const OUTPUT = 512 << 10;

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer({ config: { execOutputBytes: OUTPUT } });
  id = await server.capsule(undefined);
});
after(() => server.close());

type Message = Readonly<Record<string, unknown>>;

/** A session, its messages until now, and its end. */
function open(path: string, first: object): { readonly messages: Message[]; readonly end: Promise<number> } {
  const socket = new WebSocket(new URL(path, server.url.replace("http", "ws")), {
    headers: { "x-api-key": server.apiKey },
  });
  const messages: Message[] = [];
  socket.on("message", (data: RawData) => messages.push(JSON.parse((data as Buffer).toString()) as Message));
  socket.once("open", () => socket.send(JSON.stringify(first)));
  return { messages, end: once(socket, "close").then(([code]) => Number(code)) };
}

async function until(messages: readonly Message[], type: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!messages.some((message) => message["type"] === type)) {
    assert.ok(performance.now() < deadline, `no ${type} in ${JSON.stringify(messages)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("commands report timeouts and cut output in fields that every client has, under the alias too", async () => {
  const exec = async (body: object) =>
    await server.call<{ exit_code: number; stdout: string; stderr: string; timed_out?: boolean }>(
      "POST",
      `/api/v1/capsules/${id}/exec`,
      body,
    );
  const late = await exec({ cmd: "sleep", args: ["60"], timeout_sec: 1, envs: null, tag: "123" });
  assert.deepEqual([late.status, late.body.exit_code, late.body.timed_out], [200, 124, true]);
  const long = await exec({ cmd: "sh", args: ["-c", "head -c 600000 /dev/zero | tr '\\0' x"] });
  assert.equal(long.body.stdout.length, OUTPUT);
  assert.match(long.body.stderr, /^wrenn: output was left out/);
});

test("a process is addressed by a tag with spaces, slashes and colons", async () => {
  const tag = "job:1 / ü";
  const started = await server.call<{ tag: string }>("POST", `/v1/capsules/${id}/exec`, {
    cmd: "sleep",
    args: ["600"],
    background: true,
    tag,
  });
  assert.deepEqual([started.status, started.body.tag], [202, tag]);
  const path = `/v1/capsules/${id}/processes/${encodeURIComponent(tag)}`;
  assert.equal((await server.call("GET", path)).status, 200);
  const { messages, end } = open(`${path}/stream`, {});
  await until(messages, "start");
  assert.equal((await server.call("DELETE", path)).status, 204);
  assert.equal(await end, 1000);
  assert.equal(messages.at(-1)?.["type"], "exit");
});

test("a stream that asks for it reports that its capsule is paused and resumed, and goes on", async () => {
  const count = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; sleep 0.1; done";
  const start = { type: "start", cmd: "sh", args: ["-c", count] };
  const path = `/v1/capsules/${id}/exec/stream`;
  const told = open(path, { ...start, capsule_events: true });
  const untold = open(path, start);
  await until(told.messages, "stdout");
  await until(untold.messages, "stdout");
  assert.equal((await server.call("POST", `/v1/capsules/${id}/pause`)).status, 200);
  await until(told.messages, "paused");
  const refused = open(`/v1/capsules/${id}/pty`, { type: "start" });
  assert.equal(await refused.end, 1011);
  assert.equal(refused.messages[0]?.["type"], "error");
  const before = told.messages.length;
  assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
  await until(told.messages, "resumed");
  await until(told.messages.slice(before), "resumed");
  const printed = told.messages.length;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.ok(told.messages.length > printed, "output goes on");
  assert.ok(!untold.messages.some(({ type }) => type === "paused" || type === "resumed"));

  assert.equal((await server.call("DELETE", `/v1/capsules/${id}`)).status, 204);
  for (const { messages, end } of [told, untold]) {
    assert.equal(await end, 1011);
    const last = messages.at(-1);
    assert.deepEqual([last?.["type"], last?.["data"]], ["error", "the capsule was destroyed"]);
  }
});
