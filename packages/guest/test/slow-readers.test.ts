import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { guestChannel } from "@wrenn/protocol";
import type { CapsuleProcess, OutputEvent, StartRequest } from "@wrenn/protocol";
import { Lane } from "../src/lane/lane.ts";
import type { LaneStream } from "../src/lane/lane.ts";
import { LOG_CAPACITY } from "../src/processes/output-log.ts";
import { CapsuleBuffer } from "../src/memory/capsule-buffer.ts";
import { GuestProcess } from "../src/processes/guest-process.ts";
import { reserveProcess } from "../src/processes/process-shares.ts";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(60_000);
const SIZE = 6_000_000;
/** The guest's ring of each stream. */
const RING_BYTES = 262_144;
const flood = ["-c", `sleep 0.2; head -c ${SIZE} /dev/zero`];

/** Time passes twenty times as fast. */
const hasty: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * 20,
  sleep: async (ms, aborted) => await systemClock.sleep(ms / 20, aborted),
};

/** Reads one event and no more until told to; then everything: bytes taken and bytes missed. */
function stalled(process: CapsuleProcess): {
  readonly goOn: () => void;
  readonly seen: Promise<readonly number[]>;
} {
  const { promise, resolve } = Promise.withResolvers<void>();
  const read = async (): Promise<readonly number[]> => {
    let [taken, missed] = [0, 0];
    const count = (event: OutputEvent): void => {
      if (event.type === "data") taken += event.bytes.length;
      if (event.type === "dropped") missed += event.to - event.from;
    };
    for await (const event of process.output("oldest", signal)) {
      count(event);
      await promise;
    }
    return [taken, missed];
  };
  return { goOn: resolve, seen: read() };
}

const kinds: readonly (readonly [string, StartRequest])[] = [
  ["command", request("sh", flood, { output: "attached" })],
  ["terminal", request("sh", flood, { output: "attached", terminal: { cols: 80, rows: 24 } })],
];
for (const [kind, start] of kinds) {
  test(`a reader of a ${kind} that has stalled holds nobody up for good, and is told what it missed`, async () => {
    await using agent = await NativeAgent.start();
    const link = await agent.connect(agent, hasty);
    const process = await link.processes.start(start, signal);
    const slow = stalled(process);
    const { stdout, exit, dropped } = await collect(process);
    assert.deepEqual([stdout.length, exit, dropped], [SIZE, { exitCode: 0 }, []]);
    slow.goOn();
    const [taken = 0, missed = 0] = await slow.seen;
    assert.equal(taken + missed, SIZE);
    assert.ok(missed > 0);
    await link.detach();
  });
}

test("the only reader is waited for, however long it takes nothing, and so is one that is slow but moves", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect(agent, hasty);
  const process = await link.processes.start(request("sh", flood, { output: "attached" }), signal);
  const slow = stalled(process);
  await systemClock.sleep(1500);
  slow.goOn();
  assert.deepEqual(await slow.seen, [SIZE, 0]);

  const shared = await link.processes.start(request("sh", flood, { output: "attached" }), signal);
  const crawl = async (): Promise<readonly number[]> => {
    let [taken, missed] = [0, 0];
    for await (const event of shared.output("oldest", signal)) {
      if (event.type === "data") taken += event.bytes.length;
      if (event.type === "dropped") missed += event.to - event.from;
      await systemClock.sleep(5);
    }
    return [taken, missed];
  };
  const [crawled, quick] = await Promise.all([crawl(), collect(shared)]);
  assert.deepEqual([crawled, quick.stdout.length, quick.dropped], [[SIZE, 0], SIZE, []]);
  await link.detach();
});

test("a process that is killed exits although all readers of its output have left", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const process = await link.processes.start(request("sh", flood, { output: "attached" }), signal);
  for await (const event of process.output("oldest", signal)) if (event.type === "data") break;
  const held = async (): Promise<number> =>
    (await process.held({ stdout: 0, stderr: 0 }, signal)).stdout.bytes.length;
  await eventually("the guest's ring is full", async () => (await held()) >= RING_BYTES);
  await process.kill(9, "tree", signal);
  assert.deepEqual(await process.wait(AbortSignal.timeout(5000)), { exitCode: 137, signal: 9 });
  assert.deepEqual(await link.processes.list(signal), []);
  await link.detach();
});

/** A lane whose guest prints `total` bytes to each stream, and sends them as far as the host lets it. */
class PrintingLane extends Lane {
  readonly #streams = new Map<number, { readonly stream: LaneStream; sent: number }>();
  readonly #total: number;

  constructor(total: number) {
    super({
      path: "/nonexistent",
      number: guestChannel.lanes.bulk,
      linkId: 1n,
      clock: systemClock,
      logger: silentLogger,
      random: systemRandom,
      buffer: new CapsuleBuffer(),
      onActivity: () => {},
      onViolation: (cause) => assert.fail(cause),
    });
    this.#total = total;
  }

  override addStream(id: number, stream: LaneStream): void {
    this.#streams.set(id, { stream, sent: 0 });
    // A ring goes out unasked.
    queueMicrotask(() => this.#print(id, RING_BYTES));
  }

  override send(encode: (epoch: number) => readonly Uint8Array[]): boolean {
    const frame = Buffer.concat(encode(1));
    const id = frame.readUInt32LE(12);
    const limit = Number(frame.readBigUInt64LE(guestChannel.FRAME_HEADER + 8));
    queueMicrotask(() => this.#print(id, Math.min(limit, this.#total)));
    return true;
  }

  #print(id: number, until: number): void {
    const output = this.#streams.get(id);
    if (!output || until <= output.sent) return;
    const payload = Buffer.alloc(8 + until - output.sent);
    payload.writeBigUInt64LE(BigInt(output.sent));
    output.sent = until;
    output.stream.receive({ type: guestChannel.frameType.data, flags: 0, id, payload });
  }
}

test("output without readers, past what the log holds, is delivered once the process has exited", async (t) => {
  const total = LOG_CAPACITY + 100_000;
  const data = new PrintingLane(total);
  t.after(() => data.close(new Error("the test is over")));
  const process = new GuestProcess({
    handle: 1,
    facts: { pid: 0, cmd: "head", args: [], terminal: false, startedAt: 0 },
    attached: true,
    paced: false,
    hasInput: false,
    clock: systemClock,
    shares: reserveProcess(new CapsuleBuffer(), 0, "attached"),
    control: data,
    data,
    onFinished: () => {},
  });
  process.started(2);
  await systemClock.sleep(1);
  const before = await process.held({ stdout: 0, stderr: 0 }, signal);
  assert.deepEqual([before.stdout.offset, before.stdout.bytes.length], [0, LOG_CAPACITY]);
  process.finish({ exitCode: 0 }, { stdout: total, stderr: total });
  const { stdout, stderr } = await process.held({ stdout: 0, stderr: 0 }, AbortSignal.timeout(5000));
  for (const { offset, bytes } of [stdout, stderr])
    assert.deepEqual([offset, bytes.length], [total - LOG_CAPACITY, LOG_CAPACITY]);
});
