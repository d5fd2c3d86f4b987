import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { WrennError } from "@wrenn/core";
import type { CapsuleProcess, OutputEvent } from "@wrenn/protocol";
import { WebSocket } from "ws";
import type { RawData } from "ws";
import { FurnishedHostAgent } from "./support/furnished-host-agent.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

/* What clients that were written for the contract do and expect, beyond its words. */

const platform = await TestPlatform.start({
  host: new FurnishedHostAgent(),
  rates: { perAddress: undefined, perKey: undefined },
});
after(() => platform[Symbol.asyncDispose]());
const key = platform.apiKey;
let id = "";
before(async () => {
  id = await create();
});

async function create(): Promise<string> {
  const made = await platform.call("POST", "/v1/capsules", { key, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return String(made.body["id"]);
}

interface Seen {
  readonly message: Readonly<Record<string, unknown>>;
  readonly ms: number;
}

/** A session: what came and when it was closed, since the upgrade. */
async function session(
  path: string,
  options: {
    readonly sayAfterMs?: number;
    readonly onMessage?: (message: Seen["message"]) => void;
    readonly first?: object;
  } = {},
): Promise<{ readonly seen: readonly Seen[]; readonly closedMs: number; readonly code: number }> {
  const { sayAfterMs, onMessage, first = { type: "start", cmd: "true" } } = options;
  const socket = new WebSocket(`${platform.url.replace("http", "ws")}${path}`, {
    headers: { "x-api-key": key },
  });
  const seen: Seen[] = [];
  let openedAt = 0;
  socket.on("message", (data: RawData) => {
    const message = JSON.parse((data as Buffer).toString()) as Seen["message"];
    seen.push({ message, ms: performance.now() - openedAt });
    onMessage?.(message);
  });
  // Not after the event: the first message can be read together with the answer to the upgrade.
  socket.once("open", () => (openedAt = performance.now()));
  await once(socket, "open");
  const say = setTimeout(() => {
    if (sayAfterMs !== undefined) socket.send(JSON.stringify(first));
  }, sayAfterMs ?? 0);
  const [code] = (await once(socket, "close")) as [number];
  clearTimeout(say);
  return { seen, closedMs: performance.now() - openedAt, code };
}

test("a base address that ends in /api serves the same routes and sessions", async () => {
  const direct = await platform.call("GET", "/v1/capsules", { key });
  const aliased = await platform.call("GET", "/api/v1/capsules", { key });
  assert.deepEqual([aliased.status, aliased.body], [direct.status, direct.body]);
  const { seen } = await session(`/api/v1/capsules/${id}/exec/stream`, { sayAfterMs: 0 });
  assert.equal(seen[0]?.message["type"], "start");
  for (const path of ["/api/health", "/api/api/v1/capsules", "/apiv1/capsules"])
    assert.equal(reasonOf(await platform.call("GET", path, { key })), "route_not_found", path);
});

test("null, and empty text where none can be empty, count as absent on routes of the contract", async () => {
  for (const body of [
    { vcpus: null },
    { template: "" },
    { template: null, memory_mb: null, timeout_sec: null, metadata: null },
  ]) {
    const made = await platform.call("POST", "/v1/capsules", { key, body });
    assert.equal(made.status, 201, JSON.stringify([body, made.body]));
    assert.equal(made.body["template"], "minimal");
    await platform.call("DELETE", `/v1/capsules/${String(made.body["id"])}`, { key });
  }
  const exec = async (body: object) => await platform.call("POST", `/v1/capsules/${id}/exec`, { key, body });
  assert.equal(
    (await exec({ cmd: "true", args: null, cwd: null, envs: null, background: null })).status,
    200,
  );
  for (const cmd of [null, ""])
    assert.equal(reasonOf(await exec({ cmd })), "invalid_field", "cmd is required");
  const own = await platform.call("POST", `/v1/capsules/${id}/fork`, { key, body: { count: null } });
  assert.equal(reasonOf(own), "invalid_field", "routes of our own are strict");
});

test("a wrong method is 405, which names the right ones", async () => {
  for (const [method, path, allowed] of [
    ["PUT", "/v1/capsules", "GET, HEAD, POST"],
    ["PATCH", `/v1/capsules/${id}/pause`, "POST"],
    ["POST", "/health", "GET, HEAD"],
    ["OPTIONS", "/v1/capsules", "GET, HEAD, POST"],
    ["POST", "/api/v1/info", "GET, HEAD"],
  ] as const) {
    const answer = await platform.call(method, path, { key });
    assert.deepEqual([answer.status, reasonOf(answer)], [405, "method_not_allowed"], path);
    assert.equal(answer.headers.get("allow"), allowed, path);
  }
  for (const path of ["/v1/nothing", "/v1/capsules/", `/v1/capsules/${id}/pause/x`]) {
    const answer = await platform.call("PUT", path, { key });
    assert.deepEqual([answer.status, reasonOf(answer)], [404, "route_not_found"], path);
  }
});

test("a field with closed values names them", async () => {
  const answer = await platform.call("PUT", `/v1/capsules/${id}/ports/8000`, {
    key,
    body: { access: "maybe" },
  });
  const { message } = answer.body["error"] as { message: string };
  assert.match(message, /access must be one of ("private", "public"|"public", "private")/);
});

test("a refused session reports its error at once and closes behind the client's first frame, or after 2 s", async () => {
  const paused = await create();
  await platform.call("POST", `/v1/capsules/${paused}/pause`, { key });
  for (const [what, path] of [
    ["unknown", `/v1/capsules/cl-${"a".repeat(25)}/exec/stream`],
    ["paused", `/v1/capsules/${paused}/pty`],
  ] as const) {
    const late = await session(path, { sayAfterMs: 800 });
    assert.equal(late.seen[0]?.message["type"], "error", what);
    assert.ok((late.seen[0]?.ms ?? Infinity) < 800, `${what}: the error does not wait`);
    assert.ok(late.closedMs >= 790 && late.closedMs < 1900, `${what}: ${late.closedMs} ms`);
    assert.equal(late.code, 1011);
  }
  const silent = await session(`/v1/capsules/${paused}/exec/stream`);
  assert.equal(silent.seen.length, 1);
  assert.ok(silent.closedMs > 1900 && silent.closedMs < 4000, `${silent.closedMs} ms`);
});

/** Lets the processes of a capsule run until `end` resolves or rejects. */
function endless(capsule: string, end: Promise<void>): () => void {
  const { host } = platform;
  const processes = host.processes.bind(host);
  const process = {
    facts: { pid: 7, tag: "worker", terminal: true },
    output: async function* (_from: unknown, signal: AbortSignal): AsyncGenerator<OutputEvent> {
      await Promise.race([end, once(signal, "abort")]);
      yield { type: "exit", exit: { exitCode: 0 } };
    },
    kill: async () => undefined,
    wait: async () => await new Promise(() => undefined),
    held: async () => ({
      stdout: { offset: 0, bytes: Buffer.alloc(0) },
      stderr: { offset: 0, bytes: Buffer.alloc(0) },
    }),
    write: async () => undefined,
    closeInput: async () => undefined,
  } as unknown as CapsuleProcess;
  host.processes = (asked) =>
    asked === capsule
      ? { ...processes(asked), start: async () => process, find: async () => process }
      : processes(asked);
  return () => void (host.processes = processes);
}

test("sessions that ask for it report when their capsule is paused and resumed, others do not", async () => {
  const capsule = await create();
  const end = Promise.withResolvers<void>();
  const restore = endless(capsule, end.promise);
  try {
    const base = `/v1/capsules/${capsule}`;
    const run = async (path: string, first: object) => await session(path, { sayAfterMs: 0, first });
    const sessions = [
      run(`${base}/exec/stream`, { type: "start", cmd: "x", capsule_events: true }),
      run(`${base}/pty`, { type: "start", capsule_events: true }),
      run(`${base}/pty`, { type: "connect", tag: "worker", capsule_events: true }),
      run(`${base}/processes/worker/stream?capsule_events=true`, {}),
      run(`${base}/exec/stream`, { type: "start", cmd: "x" }),
      run(`${base}/processes/worker/stream`, {}),
    ];
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal((await platform.call("POST", `${base}/pause`, { key })).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal((await platform.call("POST", `${base}/resume`, { key })).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 500));
    end.resolve();
    const types = (await Promise.all(sessions)).map(({ seen }) => seen.map(({ message }) => message["type"]));
    assert.deepEqual(types, [
      ["start", "paused", "resumed", "exit"],
      ["started", "paused", "resumed", "exit"],
      ["started", "paused", "resumed", "exit"],
      ["start", "paused", "resumed", "exit"],
      ["start", "exit"],
      ["start", "exit"],
    ]);
  } finally {
    restore();
  }
});

test("a session whose capsule is destroyed says so, whatever its guest link says", async () => {
  const capsule = await create();
  const end = Promise.withResolvers<void>();
  end.promise.catch(() => undefined);
  const restore = endless(capsule, end.promise);
  try {
    const base = `/v1/capsules/${capsule}`;
    const sessions = [
      session(`${base}/exec/stream`, { sayAfterMs: 0 }),
      session(`${base}/pty`, { sayAfterMs: 0, first: { type: "start" } }),
    ];
    await new Promise((resolve) => setTimeout(resolve, 500));
    // The guest is gone before the capsule's row says why.
    end.reject(new WrennError("guest_unreachable", { problem: "the link is closed" }));
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal((await platform.call("DELETE", base, { key })).status, 204);
    for (const { seen } of await Promise.all(sessions)) {
      const { message } = seen.at(-1) ?? assert.fail();
      assert.deepEqual([message["type"], message["data"]], ["error", "the capsule was destroyed"]);
    }
  } finally {
    restore();
  }
});
