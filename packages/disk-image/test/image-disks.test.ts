import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import { createArtifactStore, ImageDisks } from "../src/index.ts";
import { sizeFor } from "../src/tree-size.ts";

const signal = AbortSignal.timeout(60_000);
const root = await mkdtemp(join(tmpdir(), "wrenn-image-disks-"));
after(() => rm(root, { recursive: true, force: true }));
const kernel = { key: "kernel", release: "6.1.0-1" };
const GIB = 2 ** 30;
const USUAL_MIB = 2048;

let now = Date.now();
const store = createArtifactStore(join(root, "cache"), silentLogger, { ...systemClock, now: () => now });
const disks = new ImageDisks<{ readonly cmd: string }>(store, systemRandom);

const digestOf = (name: string): string => `sha256:${name}`;

async function build(name: string, fill: (tree: string) => Promise<void> = async () => {}) {
  return await disks.build(
    {
      digest: digestOf(name),
      kernel,
      usualMib: USUAL_MIB,
      unpack: async (scratch) => {
        const tree = join(scratch, "tree");
        await mkdir(tree);
        await fill(tree);
        return { tree, digest: digestOf(`${name}-amd64`), settings: { cmd: name } };
      },
    },
    signal,
  );
}

const debugfs = async (image: string, request: string): Promise<string> =>
  (await runCommand(["debugfs", "-R", request, image], { signal })).stdout;

test("a tree becomes a disk with its owners, links and holes, and is not unpacked twice", async () => {
  const disk = await build("first", async (tree) => {
    await writeFile(join(tree, "file"), "content");
    await runCommand(["chown", "4242:4343", join(tree, "file")]);
    await symlink("/file", join(tree, "link"));
    await writeFile(join(tree, "sparse"), "");
    await truncate(join(tree, "sparse"), 64 * 2 ** 20);
  });
  assert.deepEqual(disk, {
    ...disk,
    digest: "sha256:first-amd64",
    kernelRelease: "6.1.0-1",
    diskMib: USUAL_MIB,
    settings: { cmd: "first" },
  });
  assert.ok(disk.sizeBytes < 2 ** 20);
  assert.equal((await stat(disk.rootfs)).size, USUAL_MIB * 2 ** 20);
  assert.ok((await stat(disk.rootfs)).blocks * 512 < 32 * 2 ** 20);
  assert.match(await debugfs(disk.rootfs, "cat /file"), /content/);
  assert.match(await debugfs(disk.rootfs, "stat /file"), /User: +4242 +Group: +4343/);
  assert.match(await debugfs(disk.rootfs, "stat /link"), /Fast link dest: "\/file"/);
  assert.match(await debugfs(disk.rootfs, "stat /tmp"), /Mode: +01777/);
  assert.deepEqual((await readdir(join(root, "cache/image", disk.key))).toSorted(), [
    "rootfs.ext4",
    "settings.json",
  ]);
  assert.deepEqual(await build("first", () => assert.fail("it was unpacked again")), disk);
  assert.deepEqual(await disks.find(disk.key), disk);
  assert.equal(await disks.find("f".repeat(32)), undefined);
});

test("another image or another kernel is another disk, and one that is made again is another one too", async () => {
  const key = disks.key(digestOf("again"), kernel);
  assert.notEqual(disks.key(digestOf("other"), kernel), key);
  assert.notEqual(disks.key(digestOf("again"), { key: "newer" }), key);
  const before = await build("again");
  await store.remove("image", key);
  const later = await build("again");
  assert.equal(later.key, before.key);
  assert.notEqual(later.build, before.build);
});

test("a tree that is refused or fails leaves nothing", async () => {
  const failing = disks.build(
    {
      digest: digestOf("refused"),
      kernel,
      usualMib: USUAL_MIB,
      unpack: async (scratch) => ({ tree: scratch, digest: digestOf("refused"), settings: { cmd: "" } }),
      onTree: async (bytes) => {
        assert.ok(bytes > 0);
        throw new Error("too large");
      },
    },
    signal,
  );
  await assert.rejects(failing, /too large/);
  assert.equal(await disks.find(disks.key(digestOf("refused"), kernel)), undefined);
  assert.ok(!(await readdir(join(root, "cache/image"))).some((name) => name.includes("building")));
});

test("disks that were used longest ago are removed, but neither those in use nor those of the last hour", async () => {
  const keys: string[] = [];
  for (const name of ["a", "b", "c", "d"]) {
    now += 60_000;
    const { key } = await build(name);
    // Directories have the time of the system until they are used.
    await disks.find(key);
    keys.push(key);
  }
  const [a = "", b = "", c = "", d = ""] = keys;
  await disks.trim(1, now - 90_000, (key) => key === a);
  const left = await store.list("image");
  assert.deepEqual(
    keys.filter((key) => left.includes(key)),
    [a, c, d],
  );
  assert.equal(await disks.find(b), undefined);
});

test("a disk is as large as usual, or leaves 1 GiB, and has enough inodes", () => {
  assert.deepEqual(sizeFor({ bytes: GIB, entries: 1000 }, 5120), { sizeMib: 5120 });
  assert.deepEqual(sizeFor({ bytes: 3.4 * GIB, entries: 1000 }, 5120), { sizeMib: 6144 });
  assert.deepEqual(sizeFor({ bytes: 20 * GIB, entries: 1000 }, 5120), { sizeMib: 25_600 });
  assert.deepEqual(sizeFor({ bytes: GIB, entries: 400_000 }, 5120), { sizeMib: 5120, inodes: 865_536 });
});
