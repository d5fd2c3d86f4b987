import assert from "node:assert/strict";
import { mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCommand } from "@wrenn/system";
import fc from "fast-check";
import { flattenChain } from "../src/index.ts";
import { imageIo, newImages } from "./support/image-io.ts";

const MIB = 2 ** 20;
const signal = AbortSignal.timeout(500_000);
const numRuns = process.env["WRENN_TEST_LONG"] === "1" ? 300 : 12;
let directory = "";
let base = "";

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "wrenn-flatten-"));
  base = join(directory, "base.raw");
  await writeFile(base, Buffer.alloc(3 * MIB + 4096, "base"));
  await truncate(base, 6 * MIB);
});
after(() => rm(directory, { recursive: true, force: true }));

/** Beginnings and ends are close to those of clusters and subclusters, and anywhere. */
const place = fc.oneof(
  fc.nat({ max: 63 }).map((cluster) => cluster * 131_072),
  fc.nat({ max: 2047 }).map((subcluster) => subcluster * 4096),
  fc.nat({ max: 16_383 }).map((sector) => sector * 512),
);
const change = fc.record({
  verb: fc.constantFrom("write -P 1", "write -P 170", "write -P 0", "write -z", "write -z -u", "discard"),
  from: place,
  to: place,
});
const layer = fc.record({
  sizeMib: fc.integer({ min: 1, max: 8 }),
  changes: fc.array(change, { maxLength: 6 }),
});

test("whatever QEMU wrote into the layers, the flattened disk has the same content and is sound", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 5 }), async (layers) => {
      const sizes = layers.map(({ sizeMib }) => sizeMib);
      const images = await newImages(directory, base, sizes, `run-${run++}`);
      for (const [index, { sizeMib, changes }] of layers.entries()) {
        const commands = changes
          .map(
            ({ verb, from, to }) =>
              [verb, Math.min(from, to), Math.min(Math.max(from, to), sizeMib * MIB)] as const,
          )
          .filter(([, from, to]) => to > from)
          .map(([verb, from, to]) => `${verb} ${from} ${to - from}`);
        if (commands.length > 0) await imageIo(images[index] ?? "", commands);
      }
      const top = images.at(-1) ?? "";
      const flat = join(directory, "flat.qcow2");
      await flattenChain({ path: top, readable: [base, ...images] }, flat, signal);
      await runCommand(["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", top, flat]);
      await runCommand(["qemu-img", "check", flat]);
      const sum = (await Promise.all(images.map((path) => stat(path)))).reduce(
        (all, { blocks }) => all + blocks,
        0,
      );
      // An empty file has its header and its tables in four blocks of its own.
      assert.ok((await stat(flat)).blocks <= sum + 64, "it takes more than the layers did");
      for (const image of images) await rm(image);
    }),
    { numRuns },
  );
});
