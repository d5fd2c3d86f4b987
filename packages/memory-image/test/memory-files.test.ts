import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { encodeDiffIndex, mergeMemory, packMemory, pageSize, unpackMemory } from "@wrenn/memory-image";

const signal = AbortSignal.timeout(60_000);
const directory = await mkdtemp("/tmp/wrenn-memory-files-");
after(() => rm(directory, { recursive: true }));
const path = (name: string): string => join(directory, name);

const PAGES = 700;
const page = (fill: number): Buffer => Buffer.alloc(pageSize, fill);
// A run longer than one piece, single pages, and zero pages between them.
const changed = [...Array.from({ length: 300 }, (_, index) => index + 10), 400, 402, PAGES - 1];
const zeros = [0, 401];

async function writeMemory(): Promise<void> {
  await writeFile(path("base"), Buffer.concat(Array.from({ length: PAGES }, () => page(7))));
  const index = encodeDiffIndex({ memorySize: PAGES * pageSize, pages: changed, zeros });
  await writeFile(path("diff"), Buffer.concat([index, ...changed.map((number) => page(number % 251))]));
}

test("merging writes changed and zero pages over the base and keeps every other page", async () => {
  await writeMemory();
  await mergeMemory(path("base"), path("diff"), path("merged"), signal);
  const merged = await readFile(path("merged"));
  assert.equal(merged.length, PAGES * pageSize);
  const isChanged = new Set(changed);
  for (let number = 0; number < PAGES; number++) {
    const expected = isChanged.has(number) ? number % 251 : zeros.includes(number) ? 0 : 7;
    const at = number * pageSize;
    assert.ok(merged.subarray(at, at + pageSize).equals(page(expected)), `page ${number}`);
  }
});

test("a packed diff is smaller and unpacks to the same bytes", async () => {
  await writeMemory();
  await packMemory(path("diff"), path("packed"), signal);
  await unpackMemory(path("packed"), path("unpacked"), signal);
  const [diff, packed, unpacked] = await Promise.all(
    ["diff", "packed", "unpacked"].map((name) => readFile(path(name))),
  );
  assert.ok(diff && packed && unpacked);
  assert.ok(packed.length < diff.length / 10);
  assert.ok(unpacked.equals(diff));
});

test("a packed diff that was cut short is refused as corrupt", async () => {
  await writeMemory();
  await packMemory(path("diff"), path("packed"), signal);
  await truncate(path("packed"), 100);
  await assert.rejects(unpackMemory(path("packed"), path("unpacked"), signal), {
    reason: "snapshot_corrupt",
  });
});
