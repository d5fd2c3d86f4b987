import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { problemOf, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleStatus } from "@wrenn/protocol";
import { decodeFrames, encodeFrame } from "../src/wire/frames.ts";
import { encodeValue } from "../src/wire/values.ts";
import { HostileHost, pour } from "./support/hostile-host.ts";

/* A host whose root is an attacker holds a valid certificate: its answers are bounded and cannot name the capsules of others. */

const MIB = 1 << 20;
const signal = AbortSignal.timeout(120_000);
let host: HostileHost;
before(async () => {
  host = await HostileHost.listen();
});
after(() => host[Symbol.asyncDispose]());

const status = (id: string, more: object = {}): CapsuleStatus => ({
  id,
  state: "running",
  template: "minimal",
  vcpus: 1,
  memoryMib: 512,
  lastActiveAt: 0,
  metadata: {},
  ...more,
});

/** Answers each call with a value. */
const answering = (value: unknown) => {
  host.answer = (_request, response) => response.end(encodeValue({ value }));
};

test("the answer of a call is read up to the call's own limit", async () => {
  const agent = await host.client();
  let taken = (): number => 0;
  host.answer = (_request, response) => {
    taken = pour(response, "[],".repeat(20_000), 1500);
  };
  await assert.rejects(agent.facts(signal), { reason: "operation_failed" });
  // What is on the way in buffers of the kernel counts as well.
  assert.ok(taken() < 32 * MIB, `${taken()} bytes were taken`);
});

test("an answer of very many values, or of deep ones, is refused before it is parsed", async () => {
  const agent = await host.client();
  for (const text of [`{"value":[${"[],".repeat(300_000)}0]}`, `{"value":${"[".repeat(400_000)}`]) {
    host.answer = (_request, response) => response.end(text);
    const refused = await agent.facts(signal).catch((error: unknown) => error);
    assert.ok(WrennError.is(refused, "host_unavailable"), String(refused));
    assert.match(problemOf(refused.cause), /too (many|deep)/);
  }
});

test("an answer that has begun ends in time", async () => {
  const agent = await host.client({ answerMs: 300 });
  let timer: NodeJS.Timeout | undefined;
  host.answer = (_request, response) => {
    response.flushHeaders();
    timer = setInterval(() => response.write(" "), 20);
    response.once("close", () => clearInterval(timer));
  };
  const began = performance.now();
  try {
    await assert.rejects(agent.facts(signal), { reason: "host_unavailable" });
    assert.ok(performance.now() - began < 5000);
  } finally {
    clearInterval(timer);
  }
});

test("all answers of one host together have a limit", async () => {
  const agent = await host.client();
  host.answer = (_request, response) => {
    response.on("error", () => undefined);
    // Complete but for its last byte.
    response.write(Buffer.alloc(40 * MIB, 32));
  };
  const given = new AbortController();
  const outcomes = Array.from({ length: 5 }, async () => {
    const listed = agent.files("cl-1").list("/", 1, { signal: given.signal });
    return await listed.catch((error: unknown) => error);
  });
  const first = await Promise.race(outcomes);
  assert.ok(WrennError.is(first, "host_unavailable"), String(first));
  given.abort(new Error("the test is over"));
  await Promise.all(outcomes);
});

test("frames cost what their bytes cost, in whatever pieces they arrive", { timeout: 60_000 }, async () => {
  const frame = encodeFrame({ value: null }, Buffer.alloc(4 * MIB - 1, 7));
  const before_ = process.cpuUsage();
  let length = 0;
  const drip = (async function* () {
    for (let at = 0; at < frame.length; at += 64) yield frame.subarray(at, at + 64);
  })();
  for await (const { payload } of decodeFrames(drip)) length += payload.length;
  assert.equal(length, 4 * MIB - 1);
  const { user, system } = process.cpuUsage(before_);
  assert.ok(user + system < 4_000_000, `took ${user + system} µs of processor time`);
});

test("a host answers for the capsule that it was asked about, and for no other", async () => {
  const agent = await host.client();
  answering(status("cl-other"));
  const spec = {
    id: "cl-1",
    template: "minimal",
    vcpus: 1,
    memoryMib: 512,
    diskMib: 5120,
    timeoutSec: 0,
    envs: {},
  };
  await assert.rejects(agent.createCapsule(spec, signal), { reason: "operation_failed" });
  await assert.rejects(agent.capsule("cl-1", signal), { reason: "operation_failed" });
  await assert.rejects(agent.pauseCapsule("cl-1", signal), { reason: "operation_failed" });
  await assert.rejects(agent.resumeCapsule("cl-1", signal), { reason: "operation_failed" });
  await assert.rejects(agent.restoreCheckpoint("cl-1", "x", signal), { reason: "operation_failed" });
  answering([status("cl-2"), status("cl-2")]);
  await assert.rejects(
    agent.forkCapsule(
      "cl-1",
      [
        { ...spec, id: "cl-2" },
        { ...spec, id: "cl-3" },
      ],
      signal,
    ),
    { reason: "operation_failed" },
  );
  answering({ ...status("cl-1"), state: "paused" });
  assert.equal((await agent.pauseCapsule("cl-1", signal)).state, "paused");
});

test("texts of a host are short and without control characters", async () => {
  const agent = await host.client();
  const nasty = `\u001b[2J\r\nlevel=error\u202e${"x".repeat(60_000)}`;
  answering(
    status("cl-1", { problem: nasty, hostAddress: "10.0.0.1\u0007", metadata: { kernel_version: nasty } }),
  );
  const { problem = "", hostAddress = "", metadata } = await agent.capsule("cl-1", signal);
  for (const text of [problem, hostAddress, metadata["kernel_version"] ?? ""]) {
    assert.ok(text.length <= 2000, `${text.length} characters`);
    assert.doesNotMatch(text, /[\p{Cc}\p{Cf}]/u);
  }
  answering(
    status("cl-1", { metadata: Object.fromEntries(Array.from({ length: 999 }, (_, n) => [`k${n}`, ""])) }),
  );
  await assert.rejects(agent.capsule("cl-1", signal), { reason: "operation_failed" });
});

test("errors of a host are those of a host agent, short and without control characters", async () => {
  const agent = await host.client();
  const refuse = (error: object): void => {
    host.answer = (_request, response) => {
      response.writeHead(500);
      response.end(encodeValue({ error }));
    };
  };
  const message = `\u001b[31m\n${"x".repeat(50_000)}`;
  refuse({ reason: "operation_failed", context: { operation: message, problem: message }, message });
  const shown = await agent.facts(signal).catch((error: unknown) => error);
  assert.ok(WrennError.is(shown, "operation_failed"));
  assert.ok(problemOf(shown).length < 5000);
  assert.doesNotMatch(problemOf(shown), /[\p{Cc}\p{Cf}]/u);
  // Errors about the client's own credentials, quota or absence are never a host's to give.
  for (const reason of [
    "api_key_invalid",
    "token_invalid",
    "admin_required",
    "quota_exceeded",
    "client_left",
  ]) {
    refuse({ reason, context: {}, message: "no" });
    await assert.rejects(agent.facts(signal), { reason: "operation_failed" }, reason);
  }
  refuse({ code: "ECONNREFUSED", message });
  const coded = await agent.facts(signal).catch((error: unknown) => error);
  assert.ok(problemOf(coded).length < 5000);
});

test("nothing of a link that is closed stays open: calls, streams and connections to ports", async () => {
  const agent = await host.client();
  host.answer = (_request, response) => response.flushHeaders();
  host.upgrade = (socket) =>
    void socket
      .resume()
      .write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: wrenn-dial\r\n\r\n");
  const port = await agent.dial("cl-1", 80, { halfOpen: true, signal });
  port.on("error", () => undefined);
  const called = assert.rejects(agent.facts(signal), { reason: "host_unavailable" });
  const unsubscribe = agent.onChange(() => undefined);
  await eventually("all are open", () => host.connections >= 3);
  agent.close();
  await called;
  await eventually("all are closed", () => host.connections === 0);
  assert.ok(port.destroyed);
  unsubscribe();
});
