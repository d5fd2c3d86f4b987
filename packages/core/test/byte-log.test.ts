import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteLog, LAST_BLOCK_COST, logCost } from "@wrenn/core";

test("a byte log equals the tail of everything appended, under any appends, reads and forgets", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("append" as const), bytes: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ kind: fc.constant("forget" as const), offset: fc.nat(200) }),
    fc.record({ kind: fc.constant("read" as const), offset: fc.nat(200), limit: fc.nat(60) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
      const log = new ByteLog(capacity);
      const all: number[] = [];
      let start = 0;
      for (const action of steps) {
        if (action.kind === "append") {
          all.push(...action.bytes);
          start = Math.max(start, all.length - capacity);
          log.append(action.bytes);
        } else if (action.kind === "forget") {
          start = Math.max(start, Math.min(action.offset, all.length));
          log.forget(action.offset);
        } else {
          const from = Math.min(Math.max(action.offset, start), all.length);
          const got = log.read(action.offset, action.limit);
          assert.equal(got.offset, from);
          assert.deepEqual([...got.bytes], all.slice(from, from + action.limit));
        }
        assert.equal(log.start, start);
        assert.equal(log.end, all.length);
      }
    }),
  );
});

test("a gap is skipped: what was before it is gone, what follows has the right offsets", () => {
  const log = new ByteLog(100);
  log.append(Uint8Array.of(1, 2, 3));
  log.skipTo(10);
  log.append(Uint8Array.of(7));
  assert.deepEqual([log.start, log.end], [10, 11]);
  assert.deepEqual(log.read(0), { offset: 10, bytes: Uint8Array.of(7) });
});

test("a log costs what it holds, in whatever sizes its bytes arrived", () => {
  for (const size of [1, 3, 100, 5000, 131_064]) {
    const log = new ByteLog(1 << 20);
    const part = new Uint8Array(size);
    for (let at = 0; at < 3 << 19 || log.start === 0; at += size) log.append(part);
    assert.equal(log.end - log.start, 1 << 20);
    assert.ok(log.footprint < 1.1 * (1 << 20), `${log.footprint} bytes in parts of ${size}`);
    log.forget(log.end);
    assert.equal(log.footprint, 0);
  }
  const small = new ByteLog(1 << 20);
  small.append(new Uint8Array(10));
  assert.ok(small.footprint < 1000, `${small.footprint} bytes for 10`);
});

test("a log that is shrunk keeps its newest bytes, and never costs more than its size says", () => {
  for (const ring of [16_384, 65_536, 262_144])
    for (const size of [1, 7, 100, 255, 256, 257, 300, 1000, 5000, 16_383]) {
      const log = new ByteLog(1 << 20);
      const part = new Uint8Array(size);
      for (let held = size; held <= ring; held += size) {
        log.append(part);
        assert.ok(log.footprint <= logCost(held), `${log.footprint} bytes for ${held} in parts of ${size}`);
      }
      log.shrinkTo(LAST_BLOCK_COST);
      assert.ok(log.footprint <= LAST_BLOCK_COST && log.end > log.start, `${log.footprint} bytes`);
      assert.deepEqual(log.read(0), { offset: log.start, bytes: new Uint8Array(log.end - log.start) });
    }
});
