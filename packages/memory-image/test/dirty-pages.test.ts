import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import {
  decodeDiffIndex,
  decodeHeader,
  encodeDiffIndex,
  findDirtyPages,
  pageSize,
} from "@wrenn/memory-image";

const signal = new AbortController().signal;

test("a host that swaps is refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-swap-"));
  try {
    const table = join(directory, "swaps");
    await writeFile(table, "Filename Type Size Used Priority\n/dev/sda2 partition 1024 0 -2\n");
    const memory = { pid: process.pid, address: 4096n, size: pageSize };
    await assert.rejects(findDirtyPages(memory, signal, table), (error) =>
      WrennError.is(error, "host_swap_on"),
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a diff index is what was written, and any flipped byte is found", () => {
  const index = { memorySize: 10 * pageSize, pages: [1, 2, 7], zeros: [0, 9] };
  const bytes = encodeDiffIndex(index);
  assert.deepEqual(decodeDiffIndex(bytes, "test"), index);
  for (let at = 0; at < 48 + 5 * 8; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    assert.throws(
      () => decodeDiffIndex(damaged, "test"),
      (error) => WrennError.is(error, "snapshot_corrupt"),
    );
  }
});

test("random bytes are no header", () => {
  assert.throws(
    () => decodeHeader(Buffer.alloc(200, 1), "test"),
    (error) => WrennError.is(error, "snapshot_corrupt"),
  );
});
