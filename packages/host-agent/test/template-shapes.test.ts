import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { createTemplateStore, TemplateBases } from "@wrenn/host-agent";
import type { FrozenTemplate, Shape } from "@wrenn/host-agent";

const signal = AbortSignal.timeout(10_000);
const root = await mkdtemp("/tmp/wb-");
after(() => rm(root, { recursive: true, force: true }));
const cache = join(root, "cache");
const kept = join(root, "bases");
const image = join(root, "rootfs.ext4");
await mkdir(cache);
await writeFile(image, "image");
const bases = new TemplateBases(kept, async () => {});
const nothingUsed = (): readonly FrozenTemplate[] => [];
let frozen = 0;

/** Freezes a shape as bootTemplate does, without a machine. */
async function freeze(shape: Shape): Promise<FrozenTemplate> {
  frozen++;
  const hash = `minimal-${shape.vcpus}-${shape.memoryMib}`;
  const at = (name: string): string => join(cache, `${hash}.${name}`);
  for (const name of ["memory", "device-state", "disk"]) await writeFile(at(name), name);
  return await bases.keep(
    {
      name: "minimal",
      shape,
      hash,
      memoryFile: at("memory"),
      deviceState: at("device-state"),
      disk: at("disk"),
      sizeBytes: 1,
      readable: [cache],
      frozenProcesses: false,
      metadata: {},
    },
    image,
    signal,
  );
}

test("sizes that users ask for one after the other leave a bounded number of frozen templates", async () => {
  const most = 4;
  const shape = (memoryMib: number): Shape => ({ vcpus: 1, memoryMib });
  const store = createTemplateStore([{ name: "minimal", defaultShape: shape(512), freeze }], undefined, {
    mostShapes: most,
  });
  const used = await store.frozen("minimal", shape(128), signal);
  const isUsed = ({ hash }: FrozenTemplate): boolean => hash === used.hash;
  for (let memoryMib = 200; memoryMib < 230; memoryMib++) {
    await store.frozen("minimal", shape(memoryMib), signal);
    // As a size that is asked for again and again.
    await store.frozen("minimal", shape(200), signal);
    await store.removeUnused(isUsed, (template) => bases.remove(template, nothingUsed));
  }
  const left = await readdir(kept);
  assert.equal(left.length, most);
  assert.ok(left.includes(used.hash), "one that a capsule has is kept");
  assert.ok(left.includes("minimal-1-200"), "one that is asked for often is kept");
  const before = frozen;
  await store.frozen("minimal", shape(201), signal);
  assert.equal(frozen, before + 1, "one that was removed is frozen again");
});

test("a size that a create has taken keeps its files; one that is asked for during its removal is frozen again", async () => {
  const shape = (memoryMib: number): Shape => ({ vcpus: 3, memoryMib });
  const store = createTemplateStore([{ name: "minimal", defaultShape: shape(512), freeze }], undefined, {
    mostShapes: 1,
  });
  const held = new Set<FrozenTemplate>();
  const isUsed = (template: FrozenTemplate): boolean => held.has(template);
  const remove = (template: FrozenTemplate): Promise<void> => bases.remove(template, () => [...held]);
  const taken = await store.frozen("minimal", shape(64), signal, (template) => void held.add(template));
  for (const memoryMib of [65, 66]) await store.frozen("minimal", shape(memoryMib), signal);
  const removal = store.removeUnused(isUsed, async (template) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await remove(template);
  });
  const again = await store.frozen("minimal", shape(65), signal);
  await removal;
  const left = await readdir(kept);
  assert.ok(left.includes(taken.hash) && left.includes(again.hash), left.join(" "));
  assert.ok(!left.includes("minimal-3-66"));
});

test("what was frozen of earlier packages is removed once nothing uses it, and reported no longer", async () => {
  const shape = { vcpus: 4, memoryMib: 64 };
  let edition = "first";
  const freezeEdition = async (): Promise<FrozenTemplate> => {
    const name = `minimal-${edition}`;
    for (const file of ["memory", "device-state", "disk"])
      await writeFile(join(cache, `${name}.${file}`), "");
    const files = { memoryFile: "memory", deviceState: "device-state", disk: "disk" };
    const paths = Object.entries(files).map(([key, file]) => [key, join(cache, `${name}.${file}`)]);
    const template = { ...(await freeze(shape)), ...Object.fromEntries(paths), hash: name, content: edition };
    return await bases.keep(template as FrozenTemplate, image, signal);
  };
  const store = createTemplateStore([
    { name: "minimal", defaultShape: shape, freeze: freezeEdition, identity: async () => edition },
  ]);
  const held = new Set<string>();
  const collect = (): Promise<void> =>
    store.removeUnused(
      ({ hash }) => held.has(hash),
      (template) => bases.remove(template, nothingUsed),
    );
  const first = await store.frozen("minimal", shape, signal, ({ hash }) => void held.add(hash));
  edition = "second";
  const second = await store.frozen("minimal", shape, signal);
  assert.notEqual(second.hash, first.hash);
  assert.deepEqual(
    (await store.list()).map(({ identity }) => identity),
    ["second"],
  );
  await collect();
  assert.ok((await readdir(kept)).includes(first.hash), "a capsule has it");
  held.clear();
  await collect();
  const left = await readdir(kept);
  assert.ok(!left.includes(first.hash), left.join(" "));
  assert.ok(left.includes(second.hash), "the present one is kept although nothing uses it");
});

test("files of a forgotten template are kept while another template needs them", async () => {
  const base = await freeze({ vcpus: 2, memoryMib: 64 });
  const snapshot: FrozenTemplate = { ...base, hash: "tpl-made-of-it", memoryFile: "/elsewhere" };
  const other: FrozenTemplate = { ...snapshot, deviceState: "/elsewhere", disk: "/elsewhere", readable: [] };
  assert.ok(bases.isNeeded(base, [base]) && bases.isNeeded(base, [snapshot]));
  assert.ok(!bases.isNeeded(base, [other]));
  await bases.remove(base, () => [snapshot]);
  assert.ok((await readdir(kept)).includes(base.hash));
  await bases.remove(base, nothingUsed);
  assert.ok(!(await readdir(kept)).includes(base.hash));
});
