import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Hello } from "@wrenn/protocol";
import fc from "fast-check";

const runs = process.env["WRENN_TEST_LONG"] === "1" ? 20_000 : 500;
const hello: Hello = { epoch: 0x0102_0304, nonce: Buffer.alloc(16, 7), linkId: 1n, lane: 0 };
const welcome = Buffer.concat([guestChannel.welcomeMagic, guestChannel.encodeHello(hello).subarray(16)]);

/** Frames as the decoder gives them, with copies of their payloads. */
function decode(decoder: guestChannel.FrameDecoder, pieces: readonly Buffer[]): readonly string[] {
  const frames: string[] = [];
  for (const piece of pieces)
    decoder.push(piece, ({ type, flags, id, payload }) =>
      frames.push([type, flags, id, payload.toString("hex")].join(" ")),
    );
  return frames;
}

/** `bytes` in pieces of the given lengths, and the rest. */
function cut(bytes: Buffer, lengths: readonly number[]): readonly Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const length of [...lengths, bytes.length]) {
    pieces.push(Buffer.from(bytes.subarray(at, at + length)));
    at += length;
  }
  return pieces;
}

const frame = fc.record({
  type: fc.nat(255),
  flags: fc.nat(255),
  id: fc.nat(2 ** 32 - 1),
  payload: fc.uint8Array({ maxLength: 300 }),
});
const lengths = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 200 });

test("frames arrive exactly, however the bytes of a connection are cut, behind anything before the welcome", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(frame, { maxLength: 20 }),
      lengths,
      (stale, frames, at) => {
        const encoded = frames.map(({ type, flags, id, payload }) =>
          Buffer.concat(guestChannel.encodeFrame(hello.epoch, type, id, [payload], flags)),
        );
        // The answer to a repeated greeting may be between them.
        const all = Buffer.concat([stale, welcome, ...encoded.slice(0, 3), welcome, ...encoded.slice(3)]);
        assert.deepEqual(
          decode(new guestChannel.FrameDecoder(hello), cut(all, at)),
          frames.map(({ type, flags, id, payload }) =>
            [type, flags, id, Buffer.from(payload).toString("hex")].join(" "),
          ),
        );
      },
    ),
    { numRuns: runs },
  );
});

test("whatever else arrives is a violation of the protocol, wherever it is cut", () => {
  const valid = Buffer.concat([
    welcome,
    ...guestChannel.encodeFrame(hello.epoch, 2, 1, [Buffer.alloc(50)]),
    ...guestChannel.encodeData(hello.epoch, 5, 0, Buffer.alloc(50)),
  ]);
  const change = fc.record({ at: fc.nat(valid.length - 1), to: fc.nat(255) });
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 8 }),
      lengths,
      fc.uint8Array({ maxLength: 60 }),
      (changes, at, more) => {
        const bytes = Buffer.concat([valid, more]);
        for (const { at: place, to } of changes) bytes[place] = to;
        const outcome = (pieces: readonly Buffer[]): readonly string[] | string => {
          try {
            return decode(new guestChannel.FrameDecoder(hello), pieces);
          } catch (error) {
            assert.ok(WrennError.is(error, "guest_protocol"), String(error));
            return "violation";
          }
        };
        assert.deepEqual(outcome(cut(bytes, at)), outcome([bytes]));
      },
    ),
    { numRuns: runs },
  );
});

test("a guest that answers greetings without end breaks the protocol", () => {
  const decoder = new guestChannel.FrameDecoder(hello);
  const welcomes = Buffer.concat(Array.from({ length: 500 }, () => welcome));
  assert.deepEqual(decode(decoder, [welcomes, welcomes]), []);
  assert.throws(() => decode(decoder, [welcomes]), { reason: "guest_protocol" });
});

test("a frame that arrives byte by byte takes time in proportion to its size", () => {
  const decoder = new guestChannel.FrameDecoder(hello);
  decode(decoder, [welcome]);
  const large = Buffer.concat(guestChannel.encodeData(hello.epoch, 5, 0, Buffer.alloc(131_064)));
  const started = performance.now();
  let frames = 0;
  for (let round = 0; round < 4; round++)
    for (let at = 0; at < large.length; at++) decoder.push(large.subarray(at, at + 1), () => frames++);
  assert.equal(frames, 4);
  const took = performance.now() - started;
  assert.ok(took < 3000, `${took} ms`);
});
