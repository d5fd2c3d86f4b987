import assert from "node:assert/strict";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { after, test } from "node:test";
import type { CapsuleProcess } from "@wrenn/protocol";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(60_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
});

/** How often this process writes to sockets during `work`. The only ones here are those of the link. */
async function countWrites(work: () => Promise<void>): Promise<number> {
  const prototype = Socket.prototype as Required<Pick<Writable, "_write" | "_writev">>;
  const { _write: write, _writev: writev } = prototype;
  let count = 0;
  prototype._write = function (...args) {
    count++;
    Reflect.apply(write, this, args);
  };
  prototype._writev = function (...args) {
    count++;
    Reflect.apply(writev, this, args);
  };
  try {
    await work();
  } finally {
    Object.assign(prototype, { _write: write, _writev: writev });
  }
  return count;
}

test("a command begins with one write to the guest, which has its start and the wait for its end", async () => {
  await link.connected();
  let process: CapsuleProcess | undefined;
  const writes = await countWrites(async () => {
    process = await link.processes.start(request("cat", [], { stdin: true }), signal);
  });
  assert.equal(writes, 1);
  await process?.closeInput(signal);
  const { exit } = await collect(process ?? assert.fail());
  assert.deepEqual(exit, { exitCode: 0 });
});

test("many frames of one turn arrive whole and in order", async () => {
  const process = await link.processes.start(request("cat", [], { stdin: true }), signal);
  const pieces = Array.from({ length: 500 }, (_, index) => Buffer.alloc(1 + (index % 97), index & 0xff));
  const writes = await countWrites(async () => {
    await Promise.all(pieces.map((piece) => process.write(piece, signal)));
  });
  assert.ok(writes < 50, `${writes} writes`);
  await process.closeInput(signal);
  const { stdout } = await collect(process);
  assert.ok(Buffer.concat(pieces).equals(stdout));
});
