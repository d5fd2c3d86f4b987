import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { systemRandom, WrennError } from "@wrenn/core";
import { GenerationStore, mappedSource, pageSize } from "@wrenn/memory-image";
import type { DirtyPages, PageSource } from "@wrenn/memory-image";
import { Crash, CrashingFiles } from "./crashing-files.ts";

const pages = 12;
const size = pages * pageSize;
const signal = new AbortController().signal;
const base = { id: systemRandom.uuid(), size };
const baseBytes = Buffer.alloc(size);
for (let page = 0; page < pages; page += 2)
  baseBytes.fill(100 + page, page * pageSize, (page + 1) * pageSize);
const baseSource: PageSource = {
  size,
  read: async (offset, length) => baseBytes.subarray(offset, offset + length),
};

/** A dump of the named pages of `memory`. */
function dump(memory: Buffer, dirty: Iterable<number>): DirtyPages {
  const list = [...new Set(dirty)].sort((left, right) => left - right);
  return {
    memorySize: size,
    count: list.length,
    async *runs() {
      for (const page of list) {
        yield {
          firstPage: page,
          bytes: Buffer.from(memory.subarray(page * pageSize, (page + 1) * pageSize)),
        };
      }
    },
  };
}

async function contentOf(store: GenerationStore): Promise<Buffer> {
  const { mapping, sources } = store.source(baseSource);
  return Buffer.from(await mappedSource(mapping, sources, "test").read(0, size, signal));
}

const write = fc.record({ page: fc.nat(pages - 1), value: fc.nat(3) });
const step = fc.record({
  kind: fc.constantFrom("current", "base", "merge", "collect", "reopen"),
  writes: fc.array(write, { maxLength: 6 }),
  crashAfter: fc.option(fc.nat(14), { nil: undefined }),
});

test("any history of writes, zeroing, merges, collections and crashes equals a plain byte array", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const files = new CrashingFiles();
      let store = await GenerationStore.open(files, base, systemRandom);
      let saved: Buffer = Buffer.from(baseBytes);
      for (const { kind, writes, crashAfter } of steps) {
        const memory = Buffer.from(saved);
        for (const { page, value } of writes) memory.fill(value, page * pageSize, (page + 1) * pageSize);
        const changed = writes.map((entry) => entry.page);
        const sinceBase = Array.from({ length: pages }, (_, page) => page).filter((page) => {
          const [from, to] = [page * pageSize, (page + 1) * pageSize];
          return memory.compare(baseBytes, from, to, from, to) !== 0;
        });
        const commits = kind === "base" || kind === "current";
        files.crashAfter(crashAfter ?? Infinity);
        try {
          if (kind === "current") await store.commit(dump(memory, changed), kind, signal);
          else if (kind === "base") await store.commit(dump(memory, sinceBase), kind, signal);
          else if (kind === "merge") await store.merge(baseSource, signal);
          else if (kind === "collect") await store.collect([], signal);
          else store = await GenerationStore.open(files, base, systemRandom);
          if (commits) saved = memory;
          files.crashAfter(Infinity);
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          files.restart();
          store = await GenerationStore.open(files, base, systemRandom);
          const found = await contentOf(store);
          assert.ok(found.equals(saved) || (commits && found.equals(memory)), "neither the old nor the new");
          saved = found;
        }
        assert.ok((await contentOf(store)).equals(saved));
        if (store.current !== undefined) {
          for (const extent of store.current.mapping) assert.ok(extent.length > 0);
        }
      }
    }),
    { numRuns: 400 },
  );
});

test("a page that became zero is zero after resume, not the base's", async () => {
  const store = await GenerationStore.open(new CrashingFiles(), base, systemRandom);
  const memory = Buffer.from(baseBytes);
  memory.fill(0, 0, pageSize);
  await store.commit(dump(memory, [0]), "base", signal);
  assert.ok((await contentOf(store)).equals(memory));
});

test("a merge leaves one file, and collect removes the others", async () => {
  const files = new CrashingFiles();
  const store = await GenerationStore.open(files, base, systemRandom);
  const memory = Buffer.from(baseBytes);
  for (let page = 0; page < 5; page += 1) {
    memory.fill(page + 1, page * pageSize, (page + 1) * pageSize);
    await store.commit(dump(memory, [page]), "current", signal);
  }
  assert.equal(store.chainLength, 5);
  assert.equal(await store.merge(baseSource, signal), true);
  assert.equal(store.chainLength, 1);
  await store.collect([], signal);
  assert.equal((await files.list()).length, 3);
  assert.ok((await contentOf(store)).equals(memory));
});

test("what a dependant reads is not collected", async () => {
  const store = await GenerationStore.open(new CrashingFiles(), base, systemRandom);
  const memory = Buffer.alloc(size, 7);
  const first = await store.commit(dump(memory, [1]), "base", signal);
  await store.commit(dump(memory, [2]), "base", signal);
  assert.deepEqual(await store.collect([first], signal), []);
  assert.equal((await store.collect([], signal)).length, 2);
});

test("a damaged generation is found by verify, and nothing is collected", async () => {
  const files = new CrashingFiles();
  const store = await GenerationStore.open(files, base, systemRandom);
  await store.commit(dump(Buffer.alloc(size, 7), [1]), "base", signal);
  const { id } = await store.commit(dump(Buffer.alloc(size, 8), [1]), "base", signal);
  files.damage(`${id}.diff`, 4096 + 17);
  const before = await files.list();
  const corrupt = (error: unknown): boolean => WrennError.is(error, "snapshot_corrupt");
  await assert.rejects(store.verify(id, signal), corrupt);
  await assert.rejects(store.collect([], signal), corrupt);
  assert.deepEqual(await files.list(), before);
});
