import assert from "node:assert/strict";
import { mkdtempDisposable, open, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createOverlay, dataExtents, readOverlayHeader } from "@wrenn/disk-image";

const MIB = 2 ** 20;

test("the header of an overlay says what it lies on and how large it is, without a look at that", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "wrenn-header-"));
  const disk = join(root.path, "disk");
  await createOverlay(disk, { backing: "/nowhere/image", backingFormat: "raw", sizeMib: 64 });
  assert.deepEqual(await readOverlayHeader(disk), { backing: "/nowhere/image", sizeBytes: 64 * MIB });
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
    [/name/, (header) => header.writeUInt32BE(2 ** 31, 16)],
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

test("holes are no extents", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "wrenn-extents-"));
  const path = join(root.path, "file");
  await writeFile(path, "");
  await truncate(path, 64 * MIB);
  {
    await using file = await open(path, "r+");
    await file.write("data", 33 * MIB);
  }
  const extents = await dataExtents(path, AbortSignal.timeout(20_000));
  assert.ok(extents.some(({ start, length }) => start <= 33 * MIB && start + length >= 33 * MIB + 4));
  assert.ok(extents.reduce((sum, { length }) => sum + length, 0) <= MIB);
});
