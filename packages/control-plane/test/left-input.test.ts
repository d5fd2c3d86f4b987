import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleProcess, CapsuleProcesses } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { WebSocket } from "ws";
import { InputQueue } from "../src/processes/input-queue.ts";
import { TestPlatform } from "./support/test-platform.ts";

/** A program that takes one piece of input every `ms`; what is given up is not taken. */
function slowProcess(ms: number): CapsuleProcess {
  let turn = Promise.resolve();
  const write: CapsuleProcess["write"] = async (_bytes, signal) => {
    const before = turn;
    turn = (async () => {
      await before;
      await new Promise<void>((resolve) => {
        if (signal.aborted) return resolve();
        const timer = setTimeout(resolve, ms);
        signal.addEventListener("abort", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    })();
    await turn;
    signal.throwIfAborted();
  };
  const until = async (signal: AbortSignal): Promise<never> =>
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  return {
    facts: { pid: 7, tag: "slow", cmd: "slow", args: [], terminal: true, startedAt: 0 },
    write,
    wait: until,
    output: async function* (_from: unknown, signal: AbortSignal) {
      yield await until(signal);
    },
    resize: async () => undefined,
    closeInput: async () => undefined,
    kill: async () => undefined,
    held: async () => assert.fail("nobody reads"),
  };
}

test("input of a client that left is passed on while it is taken, and no longer than it may take in all", async () => {
  let held = 0;
  const account = {
    hold: (bytes: number) => void (held += bytes),
    release: (bytes: number) => void (held -= bytes),
  };
  const queue = new InputQueue(slowProcess(90), account, (error) => assert.fail(String(error)));
  for (let n = 0; n < 100; n++) queue.write(Buffer.alloc(65_536));
  const startedAt = performance.now();
  await queue.finish(200, 500);
  const took = performance.now() - startedAt;
  assert.equal(held, 0);
  // All of it would take nine seconds.
  assert.ok(took > 400 && took < 5000, `${took} ms`);
});

class SlowHostAgent extends FakeHostAgent {
  override processes(id: string): CapsuleProcesses {
    return { ...super.processes(id), start: async () => slowProcess(600) };
  }
}

test("a terminal whose client left keeps its place until nothing of its input is held", async () => {
  await using platform = await TestPlatform.start({
    host: new SlowHostAgent(),
    work: { sessions: { capsule: 1, team: 9, server: 9 } },
  });
  const { body } = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  const url = `${platform.url.replace("http", "ws")}/v1/capsules/${String(body["id"])}/pty`;
  const open = async (): Promise<{ readonly socket: WebSocket; readonly answer: string }> => {
    const socket = new WebSocket(url, { headers: { "x-api-key": platform.apiKey } });
    socket.on("error", () => undefined);
    const answered = once(socket, "message").then(([data]) => String(data));
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "start" }));
    return { socket, answer: await answered };
  };
  const { socket, answer } = await open();
  assert.match(answer, /started/);
  // Taken in four pieces, joined on the way.
  for (let n = 0; n < 4; n++) socket.send(Buffer.alloc(65_536));
  await eventually("it is sent", () => socket.bufferedAmount === 0);
  const leftAt = performance.now();
  socket.terminate();
  await eventually("the session has ended", () => socket.readyState === WebSocket.CLOSED);
  const refused = await open();
  assert.match(refused.answer, /1 requests of this capsule are under way already/);
  refused.socket.terminate();
  await eventually("its place is free", async () => {
    const next = await open();
    next.socket.terminate();
    return next.answer.includes("started");
  });
  const took = performance.now() - leftAt;
  assert.ok(took > 1000 && took < 10_000, `${took} ms`);
});

/** A host whose guests answer nothing about processes. */
class SilentHostAgent extends FakeHostAgent {
  readonly asked = new Set<string>();

  override processes(): CapsuleProcesses {
    const never =
      (what: string) =>
      async (_: unknown, signal: AbortSignal): Promise<never> => {
        this.asked.add(what);
        return await new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            this.asked.delete(what);
            reject(signal.reason as Error);
          });
        });
      };
    return {
      start: never("start"),
      find: never("find"),
      list: async (signal) => await never("list")(0, signal),
      recent: async (signal) => await never("recent")(0, signal),
    };
  }
}

test("what a guest is asked about processes is given up when the client leaves", async () => {
  const host = new SilentHostAgent();
  await using platform = await TestPlatform.start({ host });
  const { body } = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  const capsule = `${platform.url}/v1/capsules/${String(body["id"])}`;
  for (const [what, method, path, content] of [
    ["list", "GET", "processes", undefined],
    ["find", "GET", "processes/7/logs", undefined],
    ["find", "DELETE", "processes/7", undefined],
    ["find", "POST", "processes/7/signal", { signal: "SIGINT" }],
    ["start", "POST", "exec", { cmd: "sleep", background: true }],
  ] as const) {
    const gone = new AbortController();
    const call = fetch(`${capsule}/${path}`, {
      method,
      headers: { "x-api-key": platform.apiKey, ...(content ? { "content-type": "application/json" } : {}) },
      ...(content ? { body: JSON.stringify(content) } : {}),
      signal: gone.signal,
    }).catch(() => undefined);
    await eventually(`${method} ${path} has reached the guest`, () => host.asked.has(what));
    gone.abort();
    await eventually(`${method} ${path} is given up`, () => !host.asked.has(what), { timeoutMs: 3000 });
    await call;
  }
});
