import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { serverSentEvents } from "../../src/transport/server-sent-events.ts";

const TEXT =
  ': 9\n\nid: 10\nevent: capsule.paused\ndata: {"a":\ndata: "ä€😀"}\n\n: \nid: 12\n\ndata: x\r\n\r\nretry: 5\n\nid: 13\ndata: cut off';

const expected = [
  { id: undefined, event: "message", data: undefined, comment: "9" },
  { id: "10", event: "capsule.paused", data: '{"a":\n"ä€😀"}' },
  { id: "10", event: "message", data: undefined, comment: "" },
  { id: "12", event: "message", data: undefined },
  { id: "12", event: "message", data: "x" },
];

async function* cutAt(places: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(TEXT);
  let from = 0;
  for (const to of [...new Set(places)].sort((a, b) => a - b)) {
    yield bytes.subarray(from, to);
    from = to;
  }
  yield bytes.subarray(from);
}

test("events, comments and places are the same however the bytes are cut", async () => {
  const bytes = new TextEncoder().encode(TEXT).length;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes), { maxLength: 20 }), async (places) => {
      assert.deepEqual(await Array.fromAsync(serverSentEvents(cutAt(places))), expected);
    }),
    { numRuns: 200 },
  );
});

test("a line without an end is refused before it fills memory", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    const chunk = new TextEncoder().encode("x".repeat(1 << 20));
    for (;;) yield chunk;
  }
  await assert.rejects(Array.fromAsync(serverSentEvents(endless())), RangeError);
});
