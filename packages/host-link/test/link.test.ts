import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleStatus, HostAgent, OutputEvent } from "@wrenn/protocol";
import { chunks, events, running, service } from "./support/scripted-agent.ts";
import { TestLink } from "./support/test-link.ts";

let link: TestLink;
let agent: HostAgent;
before(async () => {
  link = await TestLink.open();
  agent = await link.client();
});
after(() => link[Symbol.asyncDispose]());

const { signal } = new AbortController();
const spec = {
  id: "cl-1",
  template: "minimal",
  vcpus: 1,
  memoryMib: 512,
  diskMib: 5120,
  timeoutSec: 0,
  maxLifetimeSec: 60,
  envs: { $: "a key like the wire's own", PATH: "/bin" },
};

test("calls arrive as they were made, and their results come back", async () => {
  const { scripted } = link;
  assert.deepEqual(await agent.facts(signal), await scripted.agent.facts(signal));
  scripted.asked.length = 0;
  assert.deepEqual(await agent.createCapsule(spec, signal), running);
  assert.equal(await agent.destroyCapsule("cl-1", signal), undefined);
  await agent.checkpointCapsule("cl-1", undefined, signal);
  await agent.forkCapsule("cl-1", [spec, spec], signal);
  await agent.setNetwork("cl-1", { egress: "deny", allow: ["a.example"], deny: [] }, signal);
  assert.deepEqual(scripted.asked, [
    ["createCapsule", spec],
    ["destroyCapsule", "cl-1"],
    ["checkpointCapsule", "cl-1", undefined],
    ["forkCapsule", "cl-1", [spec, spec]],
    ["setNetwork", "cl-1", { egress: "deny", allow: ["a.example"], deny: [] }],
  ]);
  assert.equal((await agent.metrics("cl-1", "5m", signal))[0]?.cpuPercent, 0.5);
  const stat = await agent.files("cl-1").stat("/a", { signal });
  assert.equal(stat.modifiedNs, 1_700_000_000_123_456_789n);
  assert.equal(stat.name, "a\udc80");
});

test("errors are the ones of the agent", async () => {
  await assert.rejects(agent.pauseCapsule("cl-1", signal), {
    reason: "capsule_not_running",
    message: /paused/,
  });
  await assert.rejects(agent.processes("cl-1").find("8", signal), {
    reason: "process_not_found",
    message: /8/,
  });
});

test("a process is the one it was: another start with the same pid is not found", async () => {
  const process = await agent.processes("cl-1").start(
    {
      cmd: "sh",
      args: [],
      envs: {},
      stdin: false,
      output: "attached",
      limits: { openFiles: { soft: 5, hard: Infinity } },
    },
    signal,
  );
  assert.deepEqual(link.scripted.asked.at(-1), [
    "start",
    {
      cmd: "sh",
      args: [],
      envs: {},
      stdin: false,
      output: "attached",
      limits: { openFiles: { soft: 5, hard: Infinity } },
    },
  ]);
  await process.write(Uint8Array.of(0, 1, 255), signal);
  assert.deepEqual(link.scripted.asked.at(-1)?.[1], Uint8Array.of(0, 1, 255));
  const held = await process.held({ stdout: 0, stderr: 0 }, signal);
  assert.deepEqual(held.stdout, { offset: 3, bytes: Uint8Array.of(0, 255) });
  await assert.rejects(process.resize(80, 24, signal), { reason: "capsule_not_running" });
});

test("aborting a call ends it at the other side too", async () => {
  const process = await agent.processes("cl-1").find("7", signal);
  const giveUp = new AbortController();
  const waiting = process.wait(giveUp.signal);
  await new Promise((resolve) => setTimeout(resolve, 100));
  giveUp.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await eventually("the agent's call is aborted", () => link.scripted.aborted > 0);
});

test("output arrives with its offsets and bytes, to its end", async () => {
  const list: OutputEvent[] = [
    { type: "data", stream: "stdout", offset: 0, bytes: Buffer.from("out") },
    { type: "resized", cols: 80, rows: 24 },
    { type: "data", stream: "stderr", offset: 5, bytes: Buffer.alloc(300_000, 7) },
    { type: "dropped", stream: "stdout", from: 3, to: 9 },
    { type: "exit", exit: { exitCode: 130, signal: 2 } },
  ];
  link.scripted.output = () => events(list);
  const process = await agent.processes("cl-1").find("7", signal);
  const seen: OutputEvent[] = [];
  for await (const event of process.output({ stdout: 4, stderr: 0 }, signal))
    seen.push(event.type === "data" ? { ...event, bytes: Buffer.from(event.bytes) } : event);
  assert.deepEqual(seen, list);
});

test("files of any size arrive whole both ways; a failure in the middle is one on both sides", async () => {
  const files = agent.files("cl-1");
  const big = Buffer.alloc(5_000_001, 3);
  link.scripted.content = () => chunks([big, "", "end"]);
  const { bytes } = await files.read("/a", { signal });
  assert.ok((await collect(bytes)).equals(Buffer.concat([big, Buffer.from("end")])));
  await files.write("/a", chunks([big, "x"]), { signal });
  assert.ok(link.scripted.stored.get("/a")?.equals(Buffer.concat([big, Buffer.from("x")])));
  link.scripted.content = () => chunks(["begin", new Error("the disk is gone")]);
  await assert.rejects(collect((await files.read("/a", { signal })).bytes), /the disk is gone/);
  await assert.rejects(
    files.write("/b", chunks([big, new Error("the client left")]), { signal }),
    /the client left/,
  );
  assert.equal(link.scripted.stored.has("/b"), false);
});

test("changes are told from how everything is on; a broken link begins anew", async () => {
  const seen: CapsuleStatus[] = [];
  const unsubscribe = agent.onChange((status) => seen.push(status));
  await eventually("the present", () => seen.length === 1);
  const paused = { ...running, state: "paused" } as const;
  for (const observer of link.scripted.observers) observer(paused);
  await eventually("the change", () => seen.length === 2);
  assert.deepEqual(seen, [running, paused]);
  await link.server.close();
  link.scripted.present = [paused];
  await link.serve();
  await eventually("the present again", () => seen.length === 3);
  assert.deepEqual(seen.at(-1), paused);
  unsubscribe();
  await eventually("nobody observes", () => link.scripted.observers.size === 0);
});

test("a hold is one at the host, too, until it ends", async () => {
  const release = agent.hold("cl-1");
  await eventually("it is held at the host", () => link.scripted.holds === 1);
  release();
  await eventually("it is released at the host", () => link.scripted.holds === 0);
});

test("ports are reached through the host; each direction ends on its own, and refusals keep their code", async () => {
  const echo = await service((socket) => {
    const parts: Buffer[] = [];
    socket.on("data", (part: Buffer) => parts.push(part));
    // Answers only when the client has finished.
    socket.on("end", () => socket.end(`got ${Buffer.concat(parts).toString()}`));
  });
  const socket = await agent.dial("cl-1", echo.port, { halfOpen: true, signal });
  socket.end("question");
  assert.equal((await collect(socket)).toString(), "got question");
  const cut = await agent.dial("cl-1", echo.port, { halfOpen: false, signal });
  const closed = once(cut.resume(), "close").catch(() => undefined);
  await echo.close();
  await closed;
  await assert.rejects(agent.dial("cl-1", echo.port, { halfOpen: false, signal }), { code: "ECONNREFUSED" });
});

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}
