import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { test } from "node:test";
import { joinPieces } from "../src/join-pieces.ts";

/** A stream into which a test pushes. */
function joined(): Readable {
  const stream = new Readable({ read: () => undefined });
  joinPieces(stream);
  return stream;
}

/** Numbers below `bound`, the same in each run. */
function numbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * bound);
  };
}

for (const turns of ["all in one turn", "each in its own turn"] as const)
  test(`pieces of one byte that nobody reads are a few large ones, ${turns}`, async () => {
    const stream = joined();
    const PIECES = turns === "all in one turn" ? 100_000 : 20_000;
    for (let n = 0; n < PIECES; n++) {
      const isWanted = stream.push(Buffer.of(n % 256));
      assert.equal(isWanted, n + 1 < stream.readableHighWaterMark, `after ${n + 1} bytes`);
      if (turns === "each in its own turn") await nextTurn();
    }
    stream.push(null);
    const pieces: Buffer[] = [];
    for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
    const all = Buffer.concat(pieces);
    assert.equal(all.length, PIECES);
    assert.ok(all.every((byte, at) => byte === at % 256));
    assert.ok(pieces.length < 12, `${pieces.length} pieces`);
  });

const readers = {
  "an iterator": async (stream: Readable) => {
    const pieces: Buffer[] = [];
    for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
    return Buffer.concat(pieces);
  },
  "a listener that pauses": async (stream: Readable) => {
    const pieces: Buffer[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.on("data", (piece: Buffer) => {
      pieces.push(piece);
      if (pieces.length % 3 !== 0) return;
      stream.pause();
      setTimeout(() => stream.resume(), 1);
    });
    stream.once("end", resolve);
    await promise;
    return Buffer.concat(pieces);
  },
  "a reader of what there is": async (stream: Readable) => {
    const pieces: Buffer[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.on("readable", () => {
      for (let piece: unknown = stream.read(); piece instanceof Buffer; piece = stream.read())
        pieces.push(piece);
    });
    stream.once("end", resolve);
    await promise;
    return Buffer.concat(pieces);
  },
} as const;

for (const [reader, readAll] of Object.entries(readers))
  test(`${reader} gets the bytes as they came, and the end`, { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = numbers(seed);
      const stream = joined();
      const sent: Buffer[] = [];
      const result = readAll(stream);
      for (let n = 0; n < 200; n++) {
        const size = random(10) === 0 ? random(70_000) : random(100) + 1;
        const piece = Buffer.alloc(size, n);
        sent.push(piece);
        stream.push(piece);
        if (random(4) === 0) await nextTurn();
      }
      stream.push(null);
      assert.ok((await result).equals(Buffer.concat(sent)), `seed ${seed}`);
    }
  });

test("a piece alone is given out at once", async () => {
  const stream = joined();
  const seen: string[] = [];
  stream.on("data", (piece: Buffer) => seen.push(piece.toString()));
  for (const text of ["one", "two"]) {
    stream.push(Buffer.from(text));
    await nextTurn();
  }
  assert.deepEqual(seen, ["one", "two"]);
});
