import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { WrennError } from "@wrenn/core";
import type { FoundImage } from "@wrenn/host-agent";
import { buildImage, buildIndex, dockerFiles, file, layoutFiles, tarOf } from "@wrenn/oci/testing";
import { findInArchive } from "../src/images/archive-image.ts";

const signal = AbortSignal.timeout(60_000);
const image = buildImage({
  layers: [[file("hello", "first")], [file("hello", "second"), file("more", "x".repeat(100_000))]],
  config: { User: "4242", StopSignal: "SIGINT" },
});

/** An archive in a directory of its own, which is empty but for it. */
async function labOf(files: ReadonlyMap<string, Buffer>, { gzip = false } = {}) {
  const directory = await mkdtempDisposable(join(tmpdir(), "wrenn-archive-"));
  const path = join(directory.path, "archive");
  const bytes = tarOf([...files].map(([name, content]) => file(name, content)));
  await writeFile(path, gzip ? gzipSync(bytes) : bytes);
  const scratch = join(directory.path, "scratch");
  await mkdir(scratch);
  const find = async (more: object = {}): Promise<FoundImage> =>
    await findInArchive(
      { path, name: "file.tar", image: undefined, scratch, admit: async () => {}, ...more },
      signal,
    );
  return { scratch, find, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

test("an image of an archive becomes a tree and settings, of docker save and of a layout, compressed or not", async () => {
  const cases = [
    [dockerFiles({ "tool:1": image }), false],
    [layoutFiles({ one: image, other: buildImage({ layers: [] }) }), true],
  ] as const;
  for (const [files, gzip] of cases) {
    await using lab = await labOf(files, { gzip });
    const { scratch } = lab;
    const found = await lab.find(gzip ? { image: "one" } : {});
    assert.deepEqual(await readdir(scratch), [], "nothing of it stays unpacked");
    if (gzip) assert.equal(found.digest, image.manifest.digest);
    assert.equal((await lab.find(gzip ? { image: "one" } : {})).digest, found.digest);
    const phases: string[] = [];
    const { tree, digest, settings } = await found.pull(scratch, ({ phase }) => phases.push(phase), signal);
    assert.equal(digest, found.digest);
    assert.equal(await readFile(join(tree, "hello"), "utf8"), "second");
    assert.deepEqual(await readdir(scratch), ["tree"]);
    assert.deepEqual([settings.user, settings.stopSignal], ["4242", "SIGINT"]);
    assert.deepEqual(new Set(phases), new Set(["download", "unpack"]));
  }
});

test("who has the description of an image, and not all of it, is not told that it is there", async () => {
  const layer = `blobs/${image.layers[1]?.digest.replace(":", "/")}`;
  const files = new Map(layoutFiles({ one: image }));
  const sizes = files.get(layer)?.length ?? 0;
  for (const content of [undefined, Buffer.alloc(sizes)]) {
    if (content) files.set(layer, content);
    else files.delete(layer);
    await using lab = await labOf(files);
    await assert.rejects(lab.find(), { reason: "image_damaged" });
  }
  const saved = buildImage({ layers: [[file("secret", "word")]], compression: "none", docker: true });
  const claimed = new Map(dockerFiles({ "": saved }));
  for (const name of claimed.keys())
    if (name.endsWith("layer.tar")) claimed.set(name, tarOf([file("secret", "none")]));
  await using lab = await labOf(claimed);
  await assert.rejects(lab.find(), { reason: "image_damaged" });
});

test("what cannot be used is refused before anything is unpacked, and a full disk ends the decompression", async () => {
  const arm = buildImage({ layers: [[file("a", "1")]], architecture: "arm64" });
  const index = buildIndex([
    { image: arm, platform: { os: "linux", architecture: "arm64" } },
    { image: arm, platform: { os: "linux", architecture: "s390x" } },
  ]);
  await using foreign = await labOf(layoutFiles({ one: index }));
  await assert.rejects(foreign.find(), {
    reason: "image_platform_missing",
    message: /linux\/arm64, linux\/s390x/,
  });
  await using several = await labOf(dockerFiles({ "a:1": image, "b:2": image }));
  await assert.rejects(several.find(), { reason: "image_choice_needed", message: /file\.tar .* a:1, b:2/ });
  await using packed = await labOf(dockerFiles({ "a:1": image }), { gzip: true });
  const admit = async (): Promise<never> => {
    throw new WrennError("disk_full", { path: "/data" });
  };
  await assert.rejects(packed.find({ admit }), { reason: "disk_full" });
  assert.deepEqual(await readdir(packed.scratch), []);
});
