import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CONSOLE_RING, readConsole } from "@wrenn/vmm";

const directory = await mkdtemp(join(tmpdir(), "wrenn-ring-"));
after(() => rm(directory, { recursive: true, force: true }));
const path = join(directory, CONSOLE_RING);
const CAPACITY = 65_536;
/** Of the oldest bytes, those that a write under way may replace. */
const UNSTEADY = 16_384;

/** A ring to which so many bytes were written, of which each tells its place. */
function ring(total: number, change: (header: Buffer) => void = () => {}): Buffer {
  const file = Buffer.alloc(32 + CAPACITY);
  file.write("WRENNCON", 0, "latin1");
  file.writeUInt32LE(1, 8);
  file.writeUInt32LE(CAPACITY, 12);
  file.writeBigUInt64LE(BigInt(total), 16);
  for (let at = Math.max(0, total - CAPACITY); at < total; at++) file[32 + (at % CAPACITY)] = at % 251;
  change(file);
  return file;
}

const read = (from: number, most = CAPACITY): ReturnType<typeof readConsole> =>
  readConsole(directory, () => ({ from, most }));

test("the newest bytes are read from any place on, over the end of the ring, and never more than are asked for", async () => {
  for (const total of [0, 1, 100, CAPACITY - 1, CAPACITY, CAPACITY + 1, 3 * CAPACITY + 77]) {
    await writeFile(path, ring(total));
    for (const from of [0, total - 50, total, total + 1000].filter((at) => at >= 0))
      for (const most of [10, CAPACITY]) {
        const found = await read(from, most);
        assert.ok(found);
        const first = Math.max(from, total - most, total + UNSTEADY - CAPACITY, 0);
        assert.equal(found.bytes.length, Math.max(0, total - first), `${total} ${from} ${most}`);
        if (found.bytes.length > 0) assert.equal(found.start, first);
        assert.ok(found.bytes.every((byte, at) => byte === (found.start + at) % 251));
      }
  }
});

test("what is no ring is no console", async () => {
  const changes: readonly ((header: Buffer) => void)[] = [
    (header) => header.write("wrenncon", 0, "latin1"),
    (header) => header.writeUInt32LE(2, 8),
    (header) => header.writeUInt32LE(0, 12),
    (header) => header.writeUInt32LE(0xffff_ffff, 12),
    (header) => header.writeBigUInt64LE(0xffff_ffff_ffff_ffffn, 16),
  ];
  for (const change of changes) {
    await writeFile(path, ring(100, change));
    assert.equal(await read(0), undefined);
  }
  await writeFile(path, ring(CAPACITY));
  await truncate(path, 500);
  assert.equal(await read(0), undefined, "cut short");
  await writeFile(path, "plain text of an earlier version\n");
  assert.equal(await read(0), undefined);
  await rm(path);
  assert.equal(await read(0), undefined, "missing");
  await symlink("/etc/passwd", path);
  assert.equal(await read(0), undefined, "a link");
  await rm(path);
});
