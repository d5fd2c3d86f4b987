import assert from "node:assert/strict";
import { test } from "node:test";
import { countBlocks, packBlocks, TEMPLATE_BLOCK_BYTES, unpackBlocks } from "@wrenn/protocol";
import type { TemplateBlock } from "@wrenn/protocol";
import fc from "fast-check";

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

async function collected<T>(values: AsyncIterable<T>): Promise<readonly T[]> {
  return await Array.fromAsync(values);
}

async function packed(blocks: readonly TemplateBlock[]): Promise<Buffer> {
  return Buffer.concat([...(await collected(packBlocks(each(blocks))))]);
}

const block = (index: number, bytes: Uint8Array): TemplateBlock => ({ index, bytes: Buffer.from(bytes) });

test("blocks are the same after they were packed, in whatever pieces they arrive, and are counted as they pass", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { maxLength: 6 }),
      fc.integer({ min: 1, max: 700 }),
      async (contents, pieceBytes) => {
        const blocks = contents.map((bytes, at) => block(3 * at, bytes));
        const whole = await packed(blocks);
        const pieces: Buffer[] = [];
        for (let at = 0; at < whole.length; at += pieceBytes)
          pieces.push(whole.subarray(at, at + pieceBytes));
        const sizes: number[] = [];
        const passed = countBlocks(each(pieces), (bytes) => sizes.push(bytes));
        assert.deepEqual(await collected(unpackBlocks(passed)), blocks);
        assert.deepEqual(
          sizes,
          contents.map(({ length }) => length),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("what compresses is sent compressed, and what does not as it is", async () => {
  const zeros = await packed([block(0, new Uint8Array(TEMPLATE_BLOCK_BYTES))]);
  assert.ok(zeros.length < 1000);
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  assert.equal((await packed([block(0, noise)])).length, 60_000 + 2 * 12);
});

test("what is damaged or cut off is an error, and costs no memory", async () => {
  const whole = await packed([block(0, new Uint8Array(100_000)), block(1, Buffer.from("text"))]);
  const rejects = async (bytes: Uint8Array, problem: RegExp): Promise<void> =>
    await assert.rejects(collected(unpackBlocks(each([bytes]))), problem);
  await rejects(whole.subarray(0, -1), /cut off/);
  await rejects(whole.subarray(0, 20), /cut off/);
  await rejects(new Uint8Array(0), /cut off/);
  const header = (size: number, stored: number): Buffer => {
    const changed = Buffer.from(whole);
    changed.writeUInt32BE(size, 4);
    changed.writeUInt32BE(stored, 8);
    return changed;
  };
  await rejects(header(TEMPLATE_BLOCK_BYTES + 1, 10), /bytes of/);
  await rejects(header(0, 0), /bytes of/);
  await rejects(header(10, 11), /bytes of/);
  // Less room than it takes: not unpacked beyond.
  await rejects(header(99_999, whole.readUInt32BE(8)), /./);
  await rejects(header(100_001, whole.readUInt32BE(8)), /instead of 100001/);
});
