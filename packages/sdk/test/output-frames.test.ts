import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OutputChunks } from "../src/commands/output-chunks.ts";
import { FRAME_BYTES, FrameParser } from "../src/commands/output-frames.ts";
import type { OutputFrame } from "../src/commands/output-frames.ts";
import { frame } from "./support/scripted-capsule.ts";

type Kind = Parameters<typeof frame>[0];

const anyFrame = fc.oneof(
  fc.record({ kind: fc.constant<Kind>("heartbeat"), payload: fc.constant(new Uint8Array(0)) }),
  fc.record({ kind: fc.constantFrom<Kind>("stdout", "stderr"), payload: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({
    kind: fc.constantFrom<Kind>("started", "dropped", "exit", "status", "error"),
    payload: fc.record({ text: fc.string({ unit: "grapheme" }), number: fc.integer() }),
  }),
);

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let from = 0;
  return ends.map((end) => bytes.subarray(from, (from = end)));
}

/** Frames with the parts of each stream joined, as a consumer of the stream sees them. */
function joined(frames: Iterable<OutputFrame>): unknown[] {
  const seen: { kind: string; bytes?: Buffer; value?: unknown }[] = [];
  for (const item of frames) {
    const last = seen.at(-1);
    if ("bytes" in item && last?.kind === item.kind)
      last.bytes = Buffer.concat([last.bytes ?? Buffer.alloc(0), item.bytes]);
    else if ("bytes" in item) seen.push({ kind: item.kind, bytes: Buffer.from(item.bytes) });
    else seen.push(item);
  }
  return seen;
}

test("frames are the same wherever the body is cut", () => {
  fc.assert(
    fc.property(fc.array(anyFrame), fc.array(fc.nat()), (frames, places) => {
      const bytes = Buffer.concat(frames.map(({ kind, payload }) => frame(kind, payload)));
      const whole = new FrameParser();
      const expected = joined(whole.push(bytes));
      const parser = new FrameParser();
      assert.deepEqual(joined(cut(bytes, places).flatMap((chunk) => [...parser.push(chunk)])), expected);
      assert.equal(parser.isBetweenFrames, true);
      const objects = frames.flatMap(({ payload }) =>
        payload instanceof Uint8Array ? [] : [{ ...payload }],
      );
      const values = [...new FrameParser().push(bytes)].flatMap((item) =>
        "value" in item ? [item.value] : [],
      );
      assert.deepEqual(values, objects);
    }),
    { numRuns: 500 },
  );
});

test("any bytes are frames or an error, and nothing is kept beyond a frame", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
      const parser = new FrameParser();
      try {
        for (const chunk of chunks) for (const _ of parser.push(chunk)) void _;
      } catch (error) {
        assert.ok(error instanceof RangeError || error instanceof SyntaxError);
      }
    }),
    { numRuns: 1000 },
  );
});

test("a frame that is too long or has an unknown form is an error as soon as its head is there", () => {
  const head = frame("stdout", new Uint8Array(0));
  head.writeUInt32BE(FRAME_BYTES + 1, 4);
  assert.throws(() => [...new FrameParser().push(head)], RangeError);
  assert.throws(() => [...new FrameParser().push(Buffer.from("HTTP/1.1"))], RangeError);
  assert.throws(() => [...new FrameParser().push(Buffer.from([5, 0, 0, 0, 0, 0, 0, 1, 0x31]))], SyntaxError);
});

test("frames of unknown kinds are signs of life, and bytes of output are not copied", () => {
  const unknown = frame("stdout", Buffer.from("xyz"));
  unknown[0] = 200;
  assert.deepEqual([...new FrameParser().push(unknown)], [{ kind: "heartbeat" }]);
  const bytes = frame("stdout", Buffer.from("xyz"));
  const [first] = new FrameParser().push(bytes);
  assert.ok(first?.kind === "stdout");
  assert.equal(first.bytes.buffer, bytes.buffer);
});

test("text that is cut at any byte, in both streams at once, decodes right", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "grapheme" }),
      fc.array(fc.nat()),
      (stdout, stderr, places) => {
        const chunks = new OutputChunks("text");
        const seen = { stdout: "", stderr: "" };
        const parts = (["stdout", "stderr"] as const).flatMap((stream) =>
          cut(new TextEncoder().encode(stream === "stdout" ? stdout : stderr), places).map(
            (bytes, order) => ({ stream, bytes, order }),
          ),
        );
        parts.sort((a, b) => a.order - b.order);
        const events = [
          ...parts.map(({ stream, bytes }) => ({ type: "data", stream, bytes }) as const),
          { type: "exit", exit: { exitCode: 0, isTimedOut: false } } as const,
        ];
        for (const event of events)
          for (const chunk of chunks.next(event)) if ("text" in chunk) seen[chunk.stream] += chunk.text;
        const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
        const expected = (text: string): string => decoder.decode(new TextEncoder().encode(text));
        assert.deepEqual(seen, { stdout: expected(stdout), stderr: expected(stderr) });
      },
    ),
    { numRuns: 500 },
  );
});
