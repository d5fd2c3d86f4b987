import assert from "node:assert/strict";
import { mkdtempDisposable, open, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { createOverlay, dataExtents, rebaseOverlay, readOverlayHeader } from "@wrenn/disk-image";
import { runCommand } from "@wrenn/system";
import fc from "fast-check";
import { parseOverlayHeader } from "../src/overlay-header.ts";
import { encodeOverlay } from "../src/qcow2.ts";

const MIB = 2 ** 20;
const isLong = process.env["WRENN_TEST_LONG"] === "1";

test("the header of an overlay says what it lies on and how large it is, without a look at that", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "wrenn-header-"));
  const disk = join(root.path, "disk");
  await createOverlay(disk, { backing: "/nowhere/image", backingFormat: "raw", sizeMib: 64 });
  assert.deepEqual(await readOverlayHeader(disk), {
    backing: { path: "/nowhere/image", format: "raw" },
    sizeBytes: 64 * MIB,
    l1: { offset: 3 * 131_072, entries: 1 },
  });
});

test("a header that QEMU has rewritten, as earlier versions of the server had it do, is read", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "wrenn-header-"));
  const disk = join(root.path, "disk");
  await createOverlay(disk, { backing: "/nowhere/image", backingFormat: "raw", sizeMib: 64 });
  await runCommand(["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", "/elsewhere/image", "-F", "raw", disk]);
  assert.equal((await readFile(disk)).readUInt32BE(100), 112);
  assert.deepEqual((await readOverlayHeader(disk)).backing, { path: "/elsewhere/image", format: "raw" });
  await rebaseOverlay(disk, "/third/image", AbortSignal.timeout(20_000));
  const { stdout } = await runCommand(["qemu-img", "info", "--output=json", disk]);
  const info = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  assert.equal(info["full-backing-filename"], "/third/image");
  assert.equal(info["backing-filename-format"], "raw");
  assert.equal(info["virtual-size"], 64 * MIB);
});

test("disks that would read other files of the host, and what is no overlay, are refused", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "wrenn-header-"));
  const disk = join(root.path, "disk");
  await createOverlay(disk, { backing: "/nowhere/image", backingFormat: "raw", sizeMib: 64 });
  const good = await readFile(disk);
  const changes: readonly (readonly [RegExp, (header: Buffer) => void])[] = [
    [/not a qcow2/, (header) => header.writeUInt32BE(0, 0)],
    [/not a qcow2/, (header) => header.writeUInt32BE(2, 4)],
    // An external data file.
    [/features/, (header) => header.writeBigUInt64BE(0x14n, 72)],
    [/encrypted/, (header) => header.writeUInt32BE(1, 32)],
    [/snapshots/, (header) => header.writeUInt32BE(1, 60)],
    [/name of its image has 2147483648 bytes/, (header) => header.writeUInt32BE(2 ** 31, 16)],
    [/name of its image has no place/, (header) => header.writeBigUInt64BE(2n ** 63n, 8)],
    [/name of its image has no place/, (header) => header.writeBigUInt64BE(4090n, 8)],
    [/name of its image has no place/, (header) => header.writeBigUInt64BE(72n, 8)],
  ];
  for (const [problem, change] of changes) {
    const bad = Buffer.from(good);
    change(bad);
    await writeFile(disk, bad);
    await assert.rejects(readOverlayHeader(disk), problem);
  }
  await writeFile(disk, "");
  await assert.rejects(readOverlayHeader(disk), /not a qcow2/);
});

const path = fc
  .array(fc.stringMatching(/^[a-zA-Z0-9 äß,:]{1,40}$/), { minLength: 1, maxLength: 8 })
  .map((names) => `/${names.join("/")}`);

test("every header that the server writes is read as it was meant", () => {
  fc.assert(
    fc.property(
      fc.record({
        backing: path,
        backingFormat: fc.constantFrom("raw" as const, "qcow2" as const),
        sizeMib: fc.integer({ min: 1, max: 2 ** 24 }),
      }),
      (overlay) => {
        const { backing, sizeBytes } = parseOverlayHeader("disk", encodeOverlay(overlay).subarray(0, 4096));
        assert.deepEqual(backing, { path: overlay.backing, format: overlay.backingFormat });
        assert.equal(sizeBytes, overlay.sizeMib * MIB);
      },
    ),
    { numRuns: isLong ? 5000 : 100 },
  );
});

/** Bytes that are changed, most of them where the fields and extensions are. */
const flips = fc.array(
  fc.record({ at: fc.oneof({ weight: 4, arbitrary: fc.nat(200) }, fc.nat(4095)), byte: fc.nat(255) }),
  { minLength: 1, maxLength: 8 },
);

test("a damaged header is refused with a typed error, or read within the limits of the format", () => {
  const good = encodeOverlay({ backing: "/nowhere/image", backingFormat: "raw", sizeMib: 64 });
  let read = 0;
  fc.assert(
    fc.property(flips, fc.integer({ min: 0, max: 4096 }), fc.boolean(), (changes, length, isCut) => {
      const bytes = Buffer.from(good.subarray(0, isCut ? length : 4096));
      for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte;
      try {
        const { backing, sizeBytes, l1 } = parseOverlayHeader("disk", bytes);
        read++;
        assert.ok(Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes % MIB === 0);
        assert.ok(l1.entries >= 1 && l1.entries <= 16_384 && l1.entries * 2 ** 30 >= sizeBytes);
        assert.ok(l1.offset > 0 && l1.offset % 131_072 === 0 && l1.offset < 2 ** 56);
        assert.ok(backing === undefined || Buffer.byteLength(backing.path) <= 1023);
      } catch (error) {
        if (!WrennError.is(error, "disk_image_refused")) throw error;
      }
    }),
    { numRuns: isLong ? 200_000 : 5000 },
  );
  assert.ok(read > 0, "every damaged header was refused: the changes miss what matters");
});

test("random bytes behind the magic number are refused with a typed error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4096 }), (random) => {
      const bytes = Buffer.concat([Buffer.from("QFI\xfb\0\0\0\x03", "latin1"), random]).subarray(0, 4096);
      assert.throws(() => parseOverlayHeader("disk", bytes), { reason: "disk_image_refused" });
    }),
    { numRuns: isLong ? 20_000 : 500 },
  );
});

test("holes are no extents", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "wrenn-extents-"));
  const file = join(root.path, "file");
  await writeFile(file, "");
  await truncate(file, 64 * MIB);
  {
    await using handle = await open(file, "r+");
    await handle.write("data", 33 * MIB);
  }
  const extents = await dataExtents(file, AbortSignal.timeout(20_000));
  assert.ok(extents.some(({ start, length }) => start <= 33 * MIB && start + length >= 33 * MIB + 4));
  assert.ok(extents.reduce((sum, { length }) => sum + length, 0) <= MIB);
});

test("a file with many extents is mapped to its end, as QEMU maps it", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "wrenn-extents-"));
  const file = join(root.path, "file");
  {
    await using handle = await open(file, "w");
    for (let at = 0; at < 700; at++) await handle.write("data", at * 64 * 1024);
    await handle.truncate(64 * MIB);
  }
  const extents = await dataExtents(file, AbortSignal.timeout(20_000));
  const { stdout } = await runCommand(["qemu-img", "map", "--output=json", "-f", "raw", file]);
  const expected = (JSON.parse(stdout) as readonly { start: number; length: number; data: boolean }[])
    .filter(({ data }) => data)
    .map(({ start, length }) => ({ start, length }));
  assert.deepEqual(extents, expected);
  assert.ok(extents.length >= 600);
  const signal = AbortSignal.abort(new Error("stop"));
  await assert.rejects(dataExtents(file, signal), /stop/);
  await assert.rejects(dataExtents(join(root.path, "missing"), AbortSignal.timeout(1000)), {
    code: "ENOENT",
  });
});
