import assert from "node:assert/strict";
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { abortable, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleProcess, CapsuleProcesses } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { decodeFrames, encodeFrame } from "../src/wire/frames.ts";
import { authority, hostCredentials, TestLink } from "./support/test-link.ts";

/* Input of processes on another machine: one stream, in order, and no write whose fate is unknown counts as done. */

const { signal } = new AbortController();
const ID = "cl-1";

/** Its processes take input only while the gate is open. */
class GatedAgent extends FakeHostAgent {
  gate: Promise<void> = Promise.resolve();
  /** Bytes that were given to processes, taken or not. */
  given = 0;

  override processes(id: string): CapsuleProcesses {
    const processes = super.processes(id);
    const gated = (process: CapsuleProcess): CapsuleProcess => ({
      facts: process.facts,
      output: (from, inner) => process.output(from, inner),
      held: (from, inner) => process.held(from, inner),
      wait: (inner) => process.wait(inner),
      write: async (bytes, inner) => {
        this.given += bytes.length;
        await abortable(inner, this.gate).catch((cause: unknown) => {
          const selector = process.facts.tag ?? "";
          throw new WrennError("input_not_read", { selector, accepted: 0, bytes: bytes.length }, { cause });
        });
        await process.write(bytes, inner);
      },
      closeInput: (inner) => process.closeInput(inner),
      kill: (number, scope, inner) => process.kill(number, scope, inner),
      resize: (cols, rows, inner) => process.resize(cols, rows, inner),
    });
    return {
      start: async (request, inner) => gated(await processes.start(request, inner)),
      find: async (selector, inner) => gated(await processes.find(selector, inner)),
      list: (inner) => processes.list(inner),
      recent: (inner) => processes.recent(inner),
    };
  }
}

let requests = 0;
before(() => subscribe("http.client.request.start", () => requests++));

let host: GatedAgent;
let link: TestLink;
beforeEach(async () => {
  host = new GatedAgent();
  link = await TestLink.open(host);
  await host.createCapsule({
    id: ID,
    template: "minimal",
    vcpus: 1,
    memoryMib: 64,
    diskMib: 1,
    timeoutSec: 0,
    envs: {},
  });
});
afterEach(async () => {
  await link[Symbol.asyncDispose]();
  host.close();
});
after(() => assert.ok(requests > 0, "requests are counted"));

async function cat(options: { readonly inputIdleMs?: number } = {}): Promise<CapsuleProcess> {
  const processes = (await link.client(options)).processes(ID);
  return await processes.start({ cmd: "cat", args: [], envs: {}, stdin: true, output: "attached" }, signal);
}

/** What the host's process has printed, which is what it was given. */
async function printed({ facts }: CapsuleProcess): Promise<string> {
  const process = await host.processes(ID).find(String(facts.pid), signal);
  return Buffer.from((await process.held({ stdout: 0, stderr: 0 }, signal)).stdout.bytes).toString();
}

test("keystrokes cost no request after the first", async () => {
  const process = await cat();
  await process.write(Buffer.from("a"), signal);
  const before = requests;
  for (const key of "bcdefghij") await process.write(Buffer.from(key), signal);
  await process.closeInput(signal);
  assert.equal(requests, before);
  assert.equal(await printed(process), "abcdefghij");
});

test("concurrent writes arrive in the order of the calls, from every handle of the process", async () => {
  const process = await cat();
  const client = await link.client();
  const [one, two] = [
    await client.processes(ID).find(String(process.facts.pid), signal),
    await client.processes(ID).find(String(process.facts.pid), signal),
  ];
  const words = Array.from({ length: 2000 }, (_, n) => `${n};`);
  await Promise.all(words.map((word, n) => (n % 2 === 0 ? one : two).write(Buffer.from(word), signal)));
  assert.equal(await printed(process), words.join(""));
});

test("large writes arrive whole and are not mixed", async () => {
  const process = await cat();
  const sizes = [0, 1, 256 << 10, (256 << 10) + 1, 9_000_000, 3];
  const letters = "abcdef";
  await Promise.all(sizes.map((size, n) => process.write(Buffer.alloc(size, letters[n] ?? ""), signal)));
  assert.ok((await printed(process)) === sizes.map((size, n) => (letters[n] ?? "").repeat(size)).join(""));
});

test("a write that is given up is taken back from the host, and harms no other", async () => {
  const process = await cat();
  await process.write(Buffer.from("first,"), signal);
  const gate = Promise.withResolvers<void>();
  host.gate = gate.promise;
  const giveUp = new AbortController();
  const second = process.write(Buffer.from("second,"), giveUp.signal);
  const aborted = assert.rejects(second, {
    reason: "input_not_read",
    context: { selector: process.facts.tag, accepted: 0, bytes: 7 },
  });
  const third = process.write(Buffer.from("third,"), signal);
  await eventually("the host has both", () => host.given >= "first,second,third,".length);
  giveUp.abort(new Error("enough"));
  await aborted;
  gate.resolve();
  await third;
  assert.equal(await printed(process), "first,third,");
  await process.write(Buffer.from("fourth"), signal);
  assert.equal(await printed(process), "first,third,fourth");
});

test("of a write in parts only the newest are taken back, and a close behind it leaves the input open", async () => {
  const process = await cat();
  const gate = Promise.withResolvers<void>();
  host.gate = gate.promise;
  const giveUp = new AbortController();
  const size = 8 << 20;
  const outcomes = Promise.allSettled([
    process.write(Buffer.alloc(size, "x"), giveUp.signal),
    process.closeInput(giveUp.signal),
  ]);
  await eventually("the host has some", () => host.given > 0);
  giveUp.abort(new Error("enough"));
  const reasons = (await outcomes).map((outcome) =>
    outcome.status === "rejected" ? outcome.reason : undefined,
  );
  assert.deepEqual(
    reasons.map((error: unknown) => WrennError.is(error, "input_not_read") && error.context["bytes"]),
    [size, 0],
  );
  gate.resolve();
  await process.write(Buffer.from("after"), signal);
  const text = await printed(process);
  assert.equal(text, `${"x".repeat(Number(reasons[0]?.context["accepted"]))}after`);
});

test("while the guest takes nothing, little is read from the client", async () => {
  const process = await cat();
  const gate = Promise.withResolvers<void>();
  host.gate = gate.promise;
  const part = Buffer.alloc(1 << 20, "x");
  const writes = Array.from({ length: 32 }, () => process.write(part, signal));
  await eventually("some arrives", () => host.given > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(host.given <= 2 << 20, `${host.given} bytes`);
  gate.resolve();
  await Promise.all(writes);
  assert.equal(host.given, 32 << 20);
});

test("a broken link rejects writes whose fate is unknown; the next write opens another stream", async () => {
  const process = await cat();
  await process.write(Buffer.from("before,"), signal);
  const gate = Promise.withResolvers<void>();
  host.gate = gate.promise;
  const lost = [process.write(Buffer.from("lost"), signal), process.closeInput(signal)];
  await eventually("the host has it", () => host.given > "before,".length);
  const outcomes = Promise.allSettled([lost[0]]);
  lost[1]?.catch(() => undefined);
  await link.server.close();
  assert.equal((await outcomes)[0]?.status, "rejected");
  await assert.rejects(lost[0] ?? Promise.resolve(), { reason: "host_unavailable" });
  await assert.rejects(process.write(Buffer.from("x"), signal), { reason: "host_unavailable" });
  host.gate = Promise.resolve();
  await link.serve();
  const another = await cat();
  await another.write(Buffer.from("after"), signal);
  assert.equal(await printed(another), "after");
});

test("a stream that is idle is closed, and the next write opens another", async () => {
  const process = await cat({ inputIdleMs: 50 });
  await process.write(Buffer.from("one,"), signal);
  const before = requests;
  await new Promise((resolve) => setTimeout(resolve, 300));
  await process.write(Buffer.from("two,"), signal);
  await process.write(Buffer.from("three"), signal);
  assert.equal(requests, before + 1);
  assert.equal(await printed(process), "one,two,three");
});

test("frames that no client sends end the stream with a reason, and give the process nothing more", async () => {
  const { key, cert, ca } = await authority.issueControlPlane();
  const hostile: readonly (readonly [string, Buffer])[] = [
    ["a number twice", encodeFrame({ write: 1 }, Buffer.from("bad"))],
    ["a number too far", encodeFrame({ write: 3 }, Buffer.from("bad"))],
    ["no number", encodeFrame({ write: "2" }, Buffer.from("bad"))],
    ["both kinds", encodeFrame({ write: 2, close: 2 }, Buffer.from("bad"))],
    ["a cancel of what was not sent", encodeFrame({ cancel: 2 })],
    ["neither kind", encodeFrame({ paste: 2 }, Buffer.from("bad"))],
    ["no object", encodeFrame(null, Buffer.from("bad"))],
    ["a frame too long", Buffer.from([0, 0, 0, 2, 255, 255, 255, 255, 123, 125])],
    ["a header that is no JSON", Buffer.from([0, 0, 0, 2, 0, 0, 0, 0, 123, 123])],
  ];
  for (const [what, bytes] of hostile) {
    const process = await cat();
    const { pid, startedAt } = process.facts;
    const sent = httpsRequest({
      key,
      cert,
      ca,
      port: link.port,
      host: "127.0.0.1",
      path: "/input",
      method: "POST",
      agent: false,
      checkServerIdentity: () => undefined,
    });
    sent.on("error", () => undefined);
    sent.write(encodeFrame([ID, { pid, startedAt }]));
    sent.write(encodeFrame({ write: 1 }, Buffer.from("good")));
    sent.write(bytes);
    const [response] = (await once(sent, "response")) as [AsyncIterable<Uint8Array>];
    const headers: unknown[] = [];
    for await (const frame of decodeFrames(response)) headers.push(frame.header);
    assert.ok(JSON.stringify(headers.at(-1)).startsWith('{"error":'), `${what}: ${JSON.stringify(headers)}`);
    sent.write(encodeFrame({ write: 2 }, Buffer.from("late")));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await printed(process), "good", what);
    sent.destroy();
  }
});

test("answers that no host gives reject the writes", async () => {
  const answers: readonly (readonly [string, Buffer, string])[] = [
    ["for what was not sent", encodeFrame({ value: { taken: 99 } }), "operation_failed"],
    ["of another shape", encodeFrame({ value: "taken" }), "operation_failed"],
    ["of no known kind", encodeFrame({ something: 1 }), "operation_failed"],
    ["that is no frame", Buffer.from([255, 255, 255, 255, 0, 0, 0, 0]), "host_unavailable"],
    ["that ends in the middle", Buffer.from([0, 0]), "host_unavailable"],
    [
      "that take more than was sent",
      encodeFrame({
        value: {
          taken: 1,
          error: { reason: "input_not_read", context: { selector: "x", accepted: 2, bytes: 1 }, message: "" },
        },
      }),
      "operation_failed",
    ],
    ["with something else as the error", encodeFrame({ value: { taken: 1, error: 5 } }), "operation_failed"],
  ];
  const process = await cat();
  for (const [what, bytes, reason] of answers) {
    const server = createServer({ ...(await hostCredentials()), requestCert: true }, (request, response) => {
      const known = request.url?.startsWith("/call/") === true;
      if (known) response.end(JSON.stringify({ value: process.facts }));
      else request.once("data", () => response.end(bytes));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = await link.client({ port: (server.address() as AddressInfo).port });
    const found = await client.processes(ID).find(String(process.facts.pid), signal);
    await assert.rejects(found.write(Buffer.from("x"), signal), { reason }, what);
    server.closeAllConnections();
    server.close();
  }
});
