import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { errorFromWire } from "../src/wire/link-error.ts";
import { decodeFrames, encodeFrame } from "../src/wire/frames.ts";
import { plainText } from "../src/wire/text-from-host.ts";
import { decodeValue, encodeValue, smallValue } from "../src/wire/values.ts";

/* What the other side sends is a value, or an error that says what is wrong with it: never more work than its bytes. */

const RUNS = process.env["WRENN_TEST_LONG"] === "1" ? 50_000 : 400;
const value = fc.oneof(
  fc.jsonValue(),
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
  fc.constantFrom(Infinity, -Infinity, Number.NaN),
  fc.uint8Array({ maxLength: 64 }),
  fc.dictionary(fc.constantFrom("$", "v", "__proto__", "a"), fc.jsonValue()),
);

async function framesOf(chunks: readonly Uint8Array[]): Promise<{ header: unknown; payload: Uint8Array }[]> {
  const frames = [];
  const arriving = (async function* () {
    yield* chunks;
  })();
  for await (const { header, payload } of decodeFrames(arriving))
    frames.push({ header, payload: new Uint8Array(payload) });
  return frames;
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  );
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

test("every value comes back as it was", () => {
  fc.assert(
    fc.property(value, (one) => {
      const text = encodeValue(one);
      assert.equal(encodeValue(decodeValue(Buffer.from(text))), text);
    }),
    { numRuns: RUNS },
  );
});

test("frames come back whole, in whatever pieces they arrive", async () => {
  const frame = fc.record({ header: fc.jsonValue(), payload: fc.uint8Array({ maxLength: 300 }) });
  const places = fc.array(fc.nat(), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 12 }), places, async (frames, at) => {
      const bytes = Buffer.concat(frames.map(({ header, payload }) => encodeFrame(header, payload)));
      assert.equal(encodeValue(await framesOf(cut(bytes, at))), encodeValue(frames));
    }),
    { numRuns: RUNS },
  );
});

test("bytes of any kind are frames or an error, and no frame is made up", async () => {
  const honest = encodeFrame({ value: { type: "data", offset: 1 } }, Buffer.from("payload"));
  const change = fc.record({ at: fc.nat(honest.length - 1), to: fc.nat(255) });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(change, { maxLength: 6 }).map((changes) => {
      const copy = Buffer.concat([honest, honest]);
      for (const { at, to } of changes) copy[at] = to;
      return copy;
    }),
  );
  await fc.assert(
    fc.asyncProperty(bytes, fc.array(fc.nat(), { maxLength: 10 }), async (all, at) => {
      const frames = await framesOf(cut(Buffer.from(all), at)).catch((error: unknown) => error);
      if (Array.isArray(frames)) assert.ok(frames.length * 8 <= all.length);
      else assert.ok(frames instanceof Error);
    }),
    { numRuns: RUNS },
  );
});

test("text of any kind is a value or an error, within the bounds", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc
      .array(fc.constantFrom("[", "]", "{", "}", ",", ":", '"', "\\", '"$"', '"v"', "1", "null"), {
        maxLength: 80,
      })
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (one) => {
      try {
        decodeValue(Buffer.from(one), { values: 20, depth: 5 });
      } catch (error) {
        assert.ok(
          error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError,
          String(error),
        );
      }
    }),
    { numRuns: RUNS },
  );
  // Marks in strings are none: a long text is one value.
  const marks = '[]{},"\\'.repeat(20_000);
  assert.equal(decodeValue(Buffer.from(encodeValue(marks))), marks);
  assert.throws(() => decodeValue(Buffer.from(`[${"0,".repeat(smallValue.values)}0]`)), RangeError);
  assert.throws(() => decodeValue(Buffer.from("[".repeat(smallValue.depth + 1))), RangeError);
});

test("an error of any shape is an error with a short, plain message", () => {
  const shape = fc.oneof(
    fc.jsonValue(),
    fc.record({
      reason: fc.oneof(
        fc.string(),
        fc.constantFrom("operation_failed", "constructor", "toString", "token_invalid"),
      ),
      context: fc.dictionary(fc.string(), fc.oneof(fc.string({ maxLength: 2500 }), fc.double())),
      message: fc.string({ maxLength: 2500, unit: "binary" }),
    }),
    fc.record({ code: fc.string(), message: fc.string() }),
  );
  fc.assert(
    fc.property(shape, (one) => {
      const { message } = errorFromWire(one);
      assert.ok(message.length < 10_000);
      assert.doesNotMatch(message, /[\p{Cc}\p{Cf}]/u);
    }),
    { numRuns: RUNS / 4 },
  );
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.nat(50),
      (one, limit) => plainText(one, limit).length <= limit,
    ),
  );
});
