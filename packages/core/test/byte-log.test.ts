import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteLog } from "@wrenn/core";

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
