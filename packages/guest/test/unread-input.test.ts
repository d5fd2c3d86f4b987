import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import type { CapsuleProcess, StartRequest } from "@wrenn/protocol";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

/* Input of a process that does not read: what is given up is taken back, and nothing else waits behind it. */

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
const directory = await mkdtemp(join(tmpdir(), "wrenn-unread-"));
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const terminal: Partial<StartRequest> = { terminal: { cols: 80, rows: 24 } };
const kinds: readonly (readonly [string, Partial<StartRequest>])[] = [
  ["a command", { stdin: true }],
  ["a terminal", terminal],
];

let files = 0;
/** A process that reads nothing until `read` is called; then it prints what it reads. */
async function lateReader(): Promise<{
  readonly process: CapsuleProcess;
  readonly read: () => Promise<void>;
  readonly printed: ReturnType<typeof collect>;
}> {
  const go = join(directory, `go-${files++}`);
  const script = `until [ -e ${go} ]; do sleep 0.02; done; cat`;
  const process = await link.processes.start(request("sh", ["-c", script], { stdin: true }), signal);
  return { process, read: async () => await writeFile(go, ""), printed: collect(process) };
}

/** How many bytes a write that is given up after `ms` says were taken. */
async function accepted(process: CapsuleProcess, bytes: Buffer, ms = 200): Promise<number> {
  const started = performance.now();
  try {
    await process.write(bytes, AbortSignal.timeout(ms));
  } catch (error) {
    assert.ok(WrennError.is(error, "input_not_read"), String(error));
    assert.ok(performance.now() - started < ms + 500, "it is given up at once");
    assert.equal(error.context["bytes"], bytes.length);
    return Number(error.context["accepted"]);
  }
  return bytes.length;
}

test("input that a process reads before it exits was taken, however soon the exit follows", async () => {
  const last = async (): Promise<void> => {
    const process = await link.processes.start(
      request("sh", ["-c", "read line; echo $line"], { stdin: true }),
      signal,
    );
    const printed = collect(process);
    await process.write(Buffer.from("last words\n"), signal);
    assert.equal((await printed).stdout.toString(), "last words\n");
  };
  for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 5 }, last));
});

test("a write that is given up says how much was taken, and the rest never arrives", async () => {
  const { process, read, printed } = await lateReader();
  const first = await accepted(process, Buffer.alloc(900_000, "a"));
  assert.ok(first > 0 && first < 900_000, `${first} bytes`);
  assert.equal(await accepted(process, Buffer.alloc(900_000, "b")), 0);
  await read();
  // What was not taken is sent again, and arrives once.
  await process.write(Buffer.alloc(900_000 - first, "a"), signal);
  await process.write(Buffer.from("b"), signal);
  await process.closeInput(signal);
  const { stdout } = await printed;
  assert.ok(stdout.equals(Buffer.from(`${"a".repeat(900_000)}b`)), `${stdout.length} bytes`);
});

test("of two calls that close the input each waits for the writes before it, and one that is given up takes only itself back", async () => {
  const { process, read, printed } = await lateReader();
  const written = process.write(Buffer.alloc(900_000, "a"), signal);
  const first = process.closeInput(AbortSignal.timeout(100));
  const second = process.closeInput(signal);
  await assert.rejects(first, { reason: "input_not_read" });
  await assert.rejects(process.write(Buffer.from("b"), signal), { reason: "stdin_closed" });
  await read();
  await Promise.all([written, second]);
  assert.equal((await printed).stdout.length, 900_000);
});

test("writes of several writers arrive whole, in the order of the calls, without those that were given up", async () => {
  const { process, read, printed } = await lateReader();
  const first = process.write(Buffer.alloc(300_000, "1"), signal);
  const givenUp = [2, 3, 4].map(
    async (digit) => await accepted(process, Buffer.alloc(50_000, String(digit))),
  );
  const last = process.write(Buffer.alloc(300_000, "5"), signal);
  const closed = process.closeInput(signal);
  assert.deepEqual(await Promise.all(givenUp), [0, 0, 0]);
  await read();
  await Promise.all([first, last, closed]);
  const { stdout } = await printed;
  assert.ok(stdout.equals(Buffer.from("1".repeat(300_000) + "5".repeat(300_000))), `${stdout.length} bytes`);
});

test("a close behind input that waits is in order, and one that is given up leaves the input open", async () => {
  const { process, read, printed } = await lateReader();
  const written = process.write(Buffer.alloc(300_000, "x"), signal);
  await assert.rejects(process.closeInput(AbortSignal.timeout(100)), { reason: "input_not_read" });
  const more = process.write(Buffer.from("y"), signal);
  const closed = process.closeInput(signal);
  await assert.rejects(process.write(Buffer.from("z"), signal), { reason: "stdin_closed" });
  await read();
  await Promise.all([written, more, closed]);
  const { stdout, exit } = await printed;
  assert.deepEqual([stdout.length, stdout.at(-1), exit], [300_001, "y".charCodeAt(0), { exitCode: 0 }]);
});

for (const [kind, change] of kinds) {
  for (const size of [0, 65_536, 1 << 20, 64 << 20]) {
    test(`a kill of ${kind} does not wait behind ${size} bytes of unread input, and ends their writers`, async () => {
      // A terminal that echoes would read.
      const start = request("sh", ["-c", "stty raw -echo 2>/dev/null; echo ready; exec sleep 1000"], change);
      const process = await link.processes.start(start, signal);
      for await (const event of process.output("oldest", signal)) if (event.type === "data") break;
      const writes = Promise.allSettled(
        Array.from({ length: size / 65_536 }, async () => await process.write(Buffer.alloc(65_536), signal)),
      );
      const started = performance.now();
      if (process.facts.terminal) await process.resize(100, 30, signal);
      await process.kill(9, "tree", signal);
      assert.deepEqual(await process.wait(signal), { exitCode: 137, signal: 9 });
      const refused = (await writes).filter((outcome) => outcome.status === "rejected");
      assert.ok(performance.now() - started < 2000, `${performance.now() - started} ms`);
      assert.ok(size <= 1 << 20 || refused.length > 900, `${refused.length} refused`);
      for (const { reason } of refused) assert.equal((reason as WrennError).reason, "stdin_closed");
    });
  }
}

test("a process that exits while its child keeps the input open ends the writes", async () => {
  const script = "sleep 30 <&0 & sleep 0.3; exit 4";
  const process = await link.processes.start(request("sh", ["-c", script], { stdin: true }), signal);
  await assert.rejects(process.write(Buffer.alloc(1 << 20), signal), { reason: "stdin_closed" });
  assert.deepEqual(await process.wait(signal), { exitCode: 4 });
  await process.kill(9, "tree", signal);
});

for (const [kind, change] of kinds) {
  test(`${kind} that closes its input and lives on ends the writes`, async () => {
    const script =
      "trap '' HUP; stty raw -echo 2>/dev/null; echo ready; sleep 0.2; exec <&- >&- 2>&-; exec sleep 30";
    const process = await link.processes.start(request("sh", ["-c", script], change), signal);
    // A terminal that reads lines yet drops what is too long for one.
    for await (const event of process.output("oldest", signal)) if (event.type === "data") break;
    const write = process.write(Buffer.alloc(140_000), AbortSignal.timeout(10_000));
    await assert.rejects(write, { reason: "stdin_closed" });
    await process.kill(9, "tree", signal);
  });
}

test("a guest that goes away ends the writes", async () => {
  await using other = await NativeAgent.start();
  const its = await other.connect();
  const process = await its.processes.start(request("sleep", ["30"], { stdin: true }), signal);
  const written = process.write(Buffer.alloc(1 << 20), signal);
  setTimeout(() => void its.detach(), 50);
  await assert.rejects(written, { reason: "guest_unreachable" });
});

test("a write that is given up while its guest stands still is taken back; one that waits arrives once after it goes on", async () => {
  const { process, read, printed } = await lateReader();
  await process.write(Buffer.from("before,"), signal);
  link.suspend();
  assert.equal(await accepted(process, Buffer.from("never,"), 50), 0);
  const later = process.write(Buffer.alloc(300_000, "x"), signal);
  await link.resume(signal);
  await read();
  await later;
  await process.closeInput(signal);
  assert.equal((await printed).stdout.toString(), `before,${"x".repeat(300_000)}`);
});
