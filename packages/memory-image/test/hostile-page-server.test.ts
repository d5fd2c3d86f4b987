import assert from "node:assert/strict";
import { once } from "node:events";
import { duplexPair } from "node:stream";
import type { Duplex } from "node:stream";
import { suite, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { pageSize, startPageServer } from "@wrenn/memory-image";
import type { Mapping, PageServer } from "@wrenn/memory-image";

/* A page server that a machine has taken over sends what it likes. The host agent ends it, and keeps to its own bounds. */

const block = 64 * pageSize;
const base = systemRandom.uuid();
const remote = systemRandom.uuid();
/** Two blocks of a file, two that are asked for, half a block that is asked for. */
const mapping: Mapping = [
  { offset: 0, length: 2 * block, source: base, sourceOffset: 0 },
  { offset: 2 * block, length: 2 * block, source: remote, sourceOffset: 0 },
  { offset: 4 * block, length: block / 2, source: remote, sourceOffset: 2 * block },
];
const size = 4.5 * block;
const pages = size / pageSize;

interface Fake {
  readonly server: PageServer;
  readonly program: Duplex;
  /** What the host agent wrote after its set-up. */
  readonly received: () => number;
  readonly ends: () => number;
  readonly reads: () => number;
}

function fake(read = async (_offset: number, length: number) => new Uint8Array(length)): Fake {
  const [connection, program] = duplexPair();
  let [received, ends, reads] = [0, 0, 0];
  const end = async (): Promise<void> => {
    ends += 1;
    connection.destroy();
  };
  const server = startPageServer({
    program: { connection, end },
    mapping,
    files: [base],
    remote: {
      size,
      read: async (offset, length) => {
        reads += 1;
        return await read(offset, length);
      },
    },
    faultAround: 16,
    handshakeMs: 5000,
  });
  program.on("data", (piece: Buffer) => (received += piece.length));
  program.on("error", () => {});
  return { server, program, received: () => received, ends: () => ends, reads: () => reads };
}

function frame(type: number, ...payload: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(payload);
  return Buffer.concat([u32(type, bytes.length), bytes]);
}
function u32(...values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}
function u64(...values: readonly (number | bigint)[]): Buffer {
  return Buffer.from(BigUint64Array.from(values, BigInt).buffer);
}
const request = (offset: number | bigint, length: number, rest = 0): Buffer =>
  frame(1, u64(offset), u32(length, rest));
const reportOf = (counters: readonly (number | bigint)[], numbers: readonly number[] = []): Buffer =>
  Buffer.concat([u64(...counters), u32(numbers.length, 0), u32(...numbers)]);
const fine = reportOf([1, 2, 3, 4, 5, 6], [0, pages - 1]);
const ended = (outcome: number, text = "", report = fine): Buffer =>
  frame(3, u32(outcome, text.length), report, Buffer.from(text, "latin1"));

const refused: Record<string, readonly Buffer[]> = {
  "a frame of no kind": [frame(9)],
  "a frame that is longer than any": [u32(1, 2 ** 32 - 1)],
  "a report that is longer than any": [u32(2, 2 ** 21)],
  "an end that is longer than any": [u32(3, 2 ** 21)],
  "a request that is short": [frame(1, u64(2 * block))],
  "a request with more in it": [request(2 * block, block, 1)],
  "a block of the file": [request(block, block)],
  "a block beyond the memory": [request(5 * block, block)],
  "a block beyond all numbers": [request(2n ** 64n - 4096n, block)],
  "a page within a block": [request(2 * block + pageSize, block)],
  "an offset within a page": [request(2 * block + 1, block)],
  "less than a block": [request(2 * block, pageSize)],
  "more than a block": [request(2 * block, 2 * block)],
  "more than the last block has": [request(4 * block, block)],
  "no bytes": [request(2 * block, 0)],
  "a block twice at a time": [request(2 * block, block), request(2 * block, block)],
  "a report that was not asked for": [frame(2, fine)],
  "an end that was none": [ended(3)],
  "an end with a text that is longer than it": [frame(3, u32(0, 500), fine)],
  "an end whose text is its report": [frame(3, u32(0, 8), fine)],
  "a report of a page beyond the memory": [ended(1, "", reportOf([0, 0, 0, 0, 0, 0], [pages]))],
  "a report of more than a number holds": [ended(1, "", reportOf([2n ** 63n, 0, 0, 0, 0, 0]))],
  "a report that promises more pages": [frame(3, u32(0, 0), u64(0, 0, 0, 0, 0, 0), u32(7, 0), u32(1))],
};

suite("it is refused", { concurrency: true }, () => {
  for (const [name, frames] of Object.entries(refused))
    test(name, async () => {
      const { server, program, ends } = fake(() => new Promise(() => {}));
      for (const one of frames) program.write(one);
      const problem = await server.ended;
      assert.equal(problem?.reason, "page_server_failed");
      assert.match(problem.message, /the page server (sent|asked)/);
      assert.ok(!server.isComplete());
      assert.equal(ends(), 1, "the program is ended");
      assert.equal((await server.report()).workingSet.length, 0);
      await server.stop();
    });
});

test("what it asks for is answered, however the bytes come", async () => {
  const { server, program, received } = fake();
  await once(program, "data");
  const before = received();
  for (const byte of Buffer.concat([request(2 * block, block), request(4 * block, block / 2)]))
    program.write(Buffer.of(byte));
  while (received() < before + 1.5 * block) await once(program, "data");
  assert.equal(received() - before, 1.5 * block + 2 * 16);
  const report = server.report();
  program.write(frame(2, fine));
  assert.deepEqual(await report, {
    faults: 1,
    pages: 2,
    zeroPages: 3,
    removes: 4,
    otherEvents: 5,
    requests: 6,
    workingSet: Uint32Array.of(0, pages - 1),
  });
  program.write(ended(1));
  assert.equal(await server.ended, undefined);
  assert.ok(server.isComplete());
});

test("asking again and again ends, and what was not read is bounded", async () => {
  const { server, program, reads, received } = fake();
  await once(program, "data");
  program.pause();
  const before = received();
  const over = new AbortController();
  const problem = server.ended.finally(() => over.abort());
  for (let n = 0; n < 20_000 && !over.signal.aborted; n++) {
    program.write(request(2 * block, block));
    // Until it has been answered.
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
  }
  assert.match(String(await problem), /cannot ask for/);
  assert.ok(reads() <= 1024 + 3 * 8, `${reads()} reads`);
  assert.equal(received(), before, "it reads nothing");
});

test("a machine that is gone, a failure and an end without a word are told apart", async () => {
  const gone = fake();
  gone.program.write(ended(0));
  assert.equal(await gone.server.ended, undefined);
  assert.ok(!gone.server.isComplete());
  const failed = fake();
  failed.program.write(ended(2, "a \u001b[31mreason\n"));
  assert.match(String(await failed.server.ended), /a \?\[31mreason\?$/);
  assert.equal(failed.ends(), 0, "it holds the machine's memory until it is stopped");
  failed.program.write(request(2 * block, block));
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(failed.reads(), 0, "nothing that it sends afterwards is read");
  await failed.server.stop();
  assert.equal(failed.ends(), 1);
  const killed = fake();
  killed.program.end();
  assert.match(String(await killed.server.ended), /the page server has ended/);
  const stopped = fake();
  await stopped.server.stop();
  assert.equal(await stopped.server.ended, undefined);
});

test("bytes at random end it or are waited for, and nothing is read that it may not ask for", async () => {
  const seed = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  for (let run = 0; run < 400; run++) {
    const asked: number[] = [];
    const { server, program } = fake(async (offset, length) => {
      asked.push(offset);
      return new Uint8Array(length);
    });
    const bytes = Buffer.concat(
      Array.from(
        { length: 1 + random(6) },
        () => [request(2 * block, block), ended(random(4)), fine][random(3)] ?? fine,
      ),
    );
    for (let n = random(4); n > 0; n--) bytes[random(bytes.length)] = random(256);
    program.write(bytes);
    program.end();
    await server.ended;
    assert.ok(
      asked.every((offset) => offset >= 2 * block && offset < size),
      `seed ${seed}, run ${run}`,
    );
  }
});
