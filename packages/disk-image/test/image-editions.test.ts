import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { createArtifactStore, debianKernelVersion, ImageEditions, removeRetired } from "../src/index.ts";

const signal = AbortSignal.timeout(30_000);
const root = await mkdtemp("/tmp/wrenn-editions-");
after(() => rm(root, { recursive: true, force: true }));
const recipe = {
  name: "minimal",
  suite: "bookworm",
  packages: ["bash"],
  excludes: [],
  users: [],
  files: [],
  diskMib: 64,
};

test("the record is what was written last; none and a broken one are empty", async () => {
  const editions = new ImageEditions(root, recipe);
  assert.deepEqual(await editions.read(), { retired: [] });
  const record = { edition: { id: "a", kernel: "6.1.2-1" }, checkedAt: 5, retired: [] };
  await editions.write(record);
  assert.deepEqual(await editions.read(), record);
  // How the kernel starts is no part of the image.
  assert.deepEqual(await new ImageEditions(root, { ...recipe, randomizeAddresses: true }).read(), record);
  const [name = ""] = await readdir(join(root, "editions"));
  await writeFile(join(root, "editions", name), "{");
  assert.deepEqual(await editions.read(), { retired: [] });
});

test("a release with another recipe does not follow", async () => {
  await new ImageEditions(root, recipe).write({ edition: { id: "b" }, retired: [] });
  const other = new ImageEditions(root, { ...recipe, packages: ["bash", "git"] });
  assert.deepEqual(await other.read(), { retired: [] });
});

test("artifacts of an earlier edition are removed after their time, with what was frozen of them, and no others", async () => {
  const store = createArtifactStore(join(root, "cache"), silentLogger);
  const make = (kind: string, key: string): Promise<string> =>
    store.buildOnce(
      kind,
      key,
      (directory) => writeFile(join(directory, "of"), key.split("-")[0] ?? ""),
      signal,
    );
  for (const key of ["old", "new"]) {
    await make("rootfs", key);
    await make("initramfs", key);
    await make("frozen", `${key}-1`);
    await make("frozen", `${key}-2`);
  }
  const isFrozenOf = async (directory: string, hash: string): Promise<boolean> =>
    (await readFile(join(directory, "of"), "utf8")) === hash;
  const retired = [{ hash: "old", rootfs: "old", initramfs: "old", at: 1000 }];
  assert.deepEqual(await removeRetired(store, retired, 1000, isFrozenOf), retired);
  assert.equal((await store.list("rootfs")).length, 2);
  assert.deepEqual(await removeRetired(store, retired, 1001, isFrozenOf), []);
  assert.deepEqual(await store.list("rootfs"), ["new"]);
  assert.deepEqual(await store.list("initramfs"), ["new"]);
  assert.deepEqual([...(await store.list("frozen"))].sort(), ["new-1", "new-2"]);
  // Again, as another server does at the same time.
  assert.deepEqual(await removeRetired(store, retired, 1001, isFrozenOf), []);
  assert.deepEqual(await store.list("nothing of this kind"), []);
});

test("the version of a kernel's package is read from the kernel", async () => {
  const path = join(root, "vmlinux");
  const banner =
    "Linux version 6.1.0-57-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP Debian 6.1.192-3 (2026-11-26)\n";
  await writeFile(path, `\u007fELF Linux version %s (%s)\n\0${banner}\0rest`);
  assert.equal(await debianKernelVersion(path), "6.1.192-3");
  await writeFile(path, "\u007fELF Linux version 6.6.0 (someone) #1\n");
  assert.equal(await debianKernelVersion(path), undefined);
});
