import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type {
  CapsuleFiles,
  CapsuleProcesses,
  CapsuleSpec,
  CapsuleStatus,
  HostAgent,
  MetricPoint,
  NetworkRules,
  OutputEvent,
} from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { TestLink } from "./support/test-link.ts";

/* What the contract does not say: that nothing changes on the way, and what a broken link does. */

const output: OutputEvent[] = [
  { type: "data", stream: "stdout", offset: 0, bytes: Buffer.from("out") },
  { type: "resized", cols: 80, rows: 24 },
  { type: "data", stream: "stderr", offset: 5, bytes: Buffer.alloc(300_000, 7) },
  { type: "dropped", stream: "stdout", from: 3, to: 9 },
  { type: "exit", exit: { exitCode: 130, signal: 2 } },
];

/** The fake, which keeps what it is given, and whose processes and files are stranger than real ones. */
class OddAgent extends FakeHostAgent {
  readonly given: unknown[] = [];
  waits = 0;
  /** By how much processes seem to have started later than they did. */
  startedLater = 0;

  override async createCapsule(spec: CapsuleSpec, signal: AbortSignal): Promise<CapsuleStatus> {
    this.given.push(spec);
    return await super.createCapsule(spec, signal);
  }

  override async setNetwork(id: string, rules: NetworkRules, signal: AbortSignal): Promise<void> {
    this.given.push(rules);
    await super.setNetwork(id, rules, signal);
  }

  override async metrics(): Promise<readonly MetricPoint[]> {
    return [{ timestamp: 1, cpuPercent: 0.5, memoryBytes: 1, diskBytes: 2 }];
  }

  override processes(id: string): CapsuleProcesses {
    const processes = super.processes(id);
    return {
      start: async (request, signal) => {
        this.given.push(request);
        return await processes.start(request, signal);
      },
      find: async (selector, signal) => {
        const process = await processes.find(selector, signal);
        return {
          facts: { ...process.facts, startedAt: process.facts.startedAt + this.startedLater },
          output: async function* odd() {
            yield* output;
          },
          held: (from, inner) => process.held(from, inner),
          wait: async (inner) => {
            this.waits++;
            return await process.wait(inner).finally(() => this.waits--);
          },
          write: (...given) => process.write(...given),
          closeInput: (inner) => process.closeInput(inner),
          kill: (number, scope, inner) => process.kill(number, scope, inner),
          resize: (cols, rows, inner) => process.resize(cols, rows, inner),
        };
      },
      list: (signal) => processes.list(signal),
      recent: (signal) => processes.recent(signal),
    };
  }

  override files(id: string): CapsuleFiles {
    const files = super.files(id);
    const broken = async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("begin");
      throw new Error("the disk is gone");
    };
    return Object.assign(Object.create(files) as CapsuleFiles, {
      stat: files.stat.bind(files),
      write: files.write.bind(files),
      read: async (path: string, options: Parameters<CapsuleFiles["read"]>[1]) => {
        const content = await files.read(path, options);
        return path.endsWith("broken") ? { ...content, bytes: broken() } : content;
      },
    });
  }
}

const odd = new OddAgent();
let link: TestLink;
let agent: HostAgent;
before(async () => {
  link = await TestLink.open(odd);
  agent = await link.client();
  await agent.createCapsule(spec, signal);
});
after(async () => {
  await link[Symbol.asyncDispose]();
  odd.close();
});

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
const command = { cmd: "sleep", args: ["60"], envs: {}, stdin: false, output: "attached" } as const;

test("calls arrive as they were made, and their results come back", async () => {
  assert.deepEqual(odd.given, [spec]);
  odd.given.length = 0;
  assert.deepEqual(await agent.facts(signal), await odd.facts());
  assert.deepEqual(await agent.capsule("cl-1", signal), odd.capsules.get("cl-1"));
  const rules = { egress: "deny", allow: ["a.example"], deny: [] } as const;
  await agent.setNetwork("cl-1", rules, signal);
  const request = { ...command, limits: { openFiles: { soft: 5, hard: Infinity } } };
  await agent.processes("cl-1").start(request, signal);
  assert.deepEqual(odd.given, [rules, request]);
  assert.equal((await agent.metrics("cl-1", "5m", signal))[0]?.cpuPercent, 0.5);
  await agent.files("cl-1").write("/a\udc80", chunks("x"), { signal });
  const stat = await agent.files("cl-1").stat("/a\udc80", { signal });
  assert.equal(typeof stat.modifiedNs, "bigint");
  assert.equal(stat.name, "a\udc80");
});

test("a create or fork that completes as its caller aborts is not left on the host", async () => {
  const late = new Map<string, () => void>();
  /** Hands a result over only when the test says so, whether or not it was aborted. */
  class Late extends FakeHostAgent {
    override async createCapsule(one: CapsuleSpec, inner?: AbortSignal): Promise<CapsuleStatus> {
      const made = await super.createCapsule(one, inner);
      if (one.id !== "cl-source") await this.#held(one.id);
      return made;
    }

    override async forkCapsule(id: string, children: readonly CapsuleSpec[], inner?: AbortSignal) {
      const made = await super.forkCapsule(id, children, inner);
      await this.#held("fork");
      return made;
    }

    async #held(what: string): Promise<void> {
      await new Promise<void>((resolve) => late.set(what, resolve));
    }
  }
  const host = new Late();
  await using lateLink = await TestLink.open(host);
  const client = await lateLink.client();
  await client.createCapsule({ ...spec, id: "cl-source" }, signal);
  const ways: readonly (readonly [string, (inner: AbortSignal) => Promise<unknown>])[] = [
    ["cl-late", (inner) => client.createCapsule({ ...spec, id: "cl-late" }, inner)],
    [
      "fork",
      (inner) =>
        client.forkCapsule(
          "cl-source",
          [
            { ...spec, id: "cl-a" },
            { ...spec, id: "cl-b" },
          ],
          inner,
        ),
    ],
  ];
  for (const [what, make] of ways) {
    for (const isCut of [false, true]) {
      const abort = new AbortController();
      const rejected = assert.rejects(make(abort.signal));
      await eventually("it is made", () => late.has(what));
      if (isCut) client.close();
      else abort.abort(new Error("left"));
      await rejected;
      late.get(what)?.();
      late.delete(what);
      await eventually("it is gone", () => [...host.capsules.keys()].join() === "cl-source");
    }
  }
  host.close();
});

test("a process is the one it was: another one with the same pid is not found", async () => {
  const process = await agent.processes("cl-1").start(command, signal);
  const held = await process.held({ stdout: 0, stderr: 0 }, signal);
  assert.deepEqual(held.stdout, { offset: 0, bytes: new Uint8Array(0) });
  // As if the pid had been given to a later process.
  odd.startedLater = 1;
  await assert.rejects(process.wait(signal), { reason: "process_not_found" });
  await assert.rejects(process.write(Buffer.from("x"), signal), { reason: "process_not_found" });
  odd.startedLater = 0;
});

test("aborting a call ends it at the other side too", async () => {
  const process = await agent.processes("cl-1").start(command, signal);
  const giveUp = new AbortController();
  const waiting = assert.rejects(process.wait(giveUp.signal), /enough/);
  await eventually("the agent waits", () => odd.waits === 1);
  giveUp.abort(new Error("enough"));
  await waiting;
  await eventually("the agent no longer waits", () => odd.waits === 0);
});

test("output arrives with its offsets and bytes, to its end", async () => {
  const process = await agent.processes("cl-1").start(command, signal);
  const seen: OutputEvent[] = [];
  for await (const event of process.output({ stdout: 4, stderr: 0 }, signal))
    seen.push(event.type === "data" ? { ...event, bytes: Buffer.from(event.bytes) } : event);
  assert.deepEqual(seen, output);
});

test("a file that breaks off in the middle is a failure on both sides", async () => {
  const files = agent.files("cl-1");
  await files.write("/broken", chunks("content"), { signal });
  await assert.rejects(collect((await files.read("/broken", { signal })).bytes), /the disk is gone/);
  const big = Buffer.alloc(5_000_001, 3);
  const failing = chunks(big, new Error("the client left"));
  await assert.rejects(files.write("/never", failing, { signal }), /the client left/);
  await assert.rejects(files.stat("/never", { signal }), { reason: "path_not_found" });
});

test("an observer begins with the present state; after a broken link it gets the present state again", async () => {
  const seen: CapsuleStatus[] = [];
  const unsubscribe = agent.onChange((status) => seen.push(status));
  await eventually("the present", () => seen.length === 1);
  await agent.pauseCapsule("cl-1", signal);
  await eventually("the change", () => seen.length === 2);
  assert.deepEqual(
    seen.map(({ state }) => state),
    ["running", "paused"],
  );
  await link.server.close();
  await odd.resumeCapsule("cl-1", signal);
  await link.serve();
  await eventually("the present again", () => seen.length === 3);
  assert.equal(seen.at(-1)?.state, "running");
  unsubscribe();
  await eventually("no one observes", () => odd.observers === 0);
});

test("a hold is one at the host, too, until it ends", async () => {
  const release = agent.hold("cl-1");
  await eventually("it is held", () => odd.holdsOf("cl-1") === 1);
  release();
  await eventually("it is released", () => odd.holdsOf("cl-1") === 0);
});

test("a connection to a port breaks when its service does", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.resetAndDestroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = await agent.dial("cl-1", port, { halfOpen: false, signal });
  const closed = once(socket.resume(), "close").catch(() => undefined);
  socket.write("x");
  await closed;
  server.close();
});

async function* chunks(...parts: readonly (string | Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}
