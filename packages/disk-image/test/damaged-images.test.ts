import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import fc from "fast-check";
import { flattenChain } from "../src/index.ts";
import { imageIo, newImages } from "./support/image-io.ts";

const MIB = 2 ** 20;
const CLUSTER = 131_072;
const numRuns = process.env["WRENN_TEST_LONG"] === "1" ? 20_000 : 300;
const signal = AbortSignal.timeout(500_000);

/** Where the bytes are that decide: in the header, the L1 table, the L2 table, and anywhere. */
const flips = fc.array(
  fc.record({
    part: fc.constantFrom("header", "l1", "l2", "file"),
    at: fc.nat(),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x40, 0x80, 0xff)),
  }),
  { minLength: 1, maxLength: 6 },
);

test("a damaged image is refused with a typed error, or flattened into a sound one within its size", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "wrenn-damaged-"));
  const directory = root.path;
  const base = join(directory, "base.raw");
  await writeFile(base, Buffer.alloc(CLUSTER, "base"));
  await truncate(base, 16 * MIB);
  const [lower = "", upper = ""] = await newImages(directory, base, [16, 16]);
  await imageIo(lower, ["write -P 1 0 1M", "write -P 2 9M 12k"]);
  await imageIo(upper, ["write -P 3 512k 1M", "write -z 0 8k", "write -P 4 15M 4k"]);
  const good = await readFile(upper);
  const l1 = Number(good.readBigUInt64BE(40));
  const l2 = Number(good.readBigUInt64BE(l1) & 0xff_ffff_ffff_fe00n);
  const ranges = { header: [0, 200], l1: [l1, 8], l2: [l2, 128 * 16], file: [0, good.length] } as const;
  const target = join(directory, "target.qcow2");
  let flattened = 0;
  await fc.assert(
    fc.asyncProperty(flips, async (changes) => {
      const bad = Buffer.from(good);
      for (const { part, at, byte } of changes) bad[ranges[part][0] + (at % ranges[part][1])] = byte;
      await writeFile(upper, bad);
      try {
        await flattenChain({ path: upper, readable: [lower, base] }, target, signal);
      } catch (error) {
        if (!WrennError.is(error, "disk_image_refused")) throw error;
        return;
      }
      const { blocks } = await stat(target);
      assert.ok(blocks * 512 < 6 * MIB, `the result takes ${blocks * 512} bytes`);
      if (flattened++ % 10 === 0) await runCommand(["qemu-img", "check", target]);
      await rm(target);
    }),
    { numRuns },
  );
  assert.ok(flattened > 0, "every damaged image was refused: the changes miss what matters");
});
