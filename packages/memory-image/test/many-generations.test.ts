import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { directoryFiles, GenerationStore, mappedSource, pageSize } from "@wrenn/memory-image";
import type { DirtyPages, PageSource } from "@wrenn/memory-image";

const cycles = Number(process.env["WRENN_GENERATION_CYCLES"] ?? 100);
const pages = 64;
const size = pages * pageSize;
const signal = new AbortController().signal;

function onePage(page: number, value: number): DirtyPages {
  const run = { firstPage: page, bytes: Buffer.alloc(pageSize, value) };
  return {
    memorySize: size,
    count: 1,
    async *runs() {
      yield run;
    },
  };
}

test(`${cycles} generations on a real disk leave the right memory, three files and no descriptor`, async () => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-generations-"));
  try {
    const base = { id: systemRandom.uuid(), size };
    const zeros: PageSource = { size, read: async (_offset, length) => Buffer.alloc(length) };
    const expected = Buffer.alloc(size);
    const descriptors = (await readdir("/proc/self/fd")).length;
    for (let cycle = 1; cycle <= cycles; cycle += 1) {
      // Opened anew each time, as after a restart.
      const store = await GenerationStore.open(directoryFiles(directory), base, systemRandom);
      const [page, value] = [(cycle * 7) % pages, cycle & 0xff];
      await store.commit(onePage(page, value), "current", signal);
      expected.fill(value, page * pageSize, (page + 1) * pageSize);
      if (store.chainLength >= 8) await store.merge(zeros, signal);
      await store.collect([], signal);
      assert.ok(store.chainLength <= 8);
    }
    const store = await GenerationStore.open(directoryFiles(directory), base, systemRandom);
    await store.merge(zeros, signal);
    await store.collect([], signal);
    const { mapping, sources } = store.source(zeros);
    const memory = await mappedSource(mapping, new Map([...sources, [base.id, zeros]]), "test").read(
      0,
      size,
      signal,
    );
    assert.ok(expected.equals(memory));
    assert.equal((await readdir(directory)).length, 3);
    assert.equal((await readdir("/proc/self/fd")).length, descriptors);
  } finally {
    await rm(directory, { recursive: true });
  }
});
