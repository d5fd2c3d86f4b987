import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import { openChain } from "../src/chain.ts";
import { checkFreeSpace, createOverlay, flattenChain } from "../src/index.ts";
import { imageIo, newImages } from "./support/image-io.ts";
import type { DiskFiles } from "../src/index.ts";

const signal = AbortSignal.timeout(60_000);
let directory = "";
let base = "";
let layers: string[] = [];

/** A raw base under four overlays, each of which writes a pattern of its own. */
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "wrenn-chain-"));
  base = join(directory, "base.raw");
  await writeFile(base, Buffer.alloc(4096, "base"));
  await truncate(base, 16 << 20);
  layers = await newImages(directory, base, [16, 16, 16, 16]);
  for (const [index, path] of layers.entries())
    await imageIo(path, [`write -P ${index + 1} ${(index + 1) << 20} 64k`]);
});
after(() => rm(directory, { recursive: true, force: true }));

const disk = (path: string): DiskFiles => ({ path, readable: [directory] });

test("a chain is opened from the writable image down", async () => {
  await using chain = await openChain(disk(layers.at(-1) ?? ""));
  assert.deepEqual(
    chain.overlays.map(({ image, header }) => [image.path, header.sizeBytes]),
    layers.toReversed().map((path) => [path, 16 << 20]),
  );
  assert.equal(chain.base.path, base);
  assert.ok(chain.overlays.every(({ image }) => image.allocatedBytes > 0 && image.allocatedBytes < 2 << 20));
});

test("a flattened disk is one overlay on the same base, with the same content", async () => {
  const top = layers.at(-1) ?? "";
  const flat = join(directory, "flat.qcow2");
  await writeFile(`${flat}.flattening`, "left by a killed process");
  await flattenChain(disk(top), flat, signal);
  await runCommand(["qemu-img", "compare", top, flat]);
  await runCommand(["qemu-img", "check", flat]);
  await using chain = await openChain({ path: flat, readable: [base] });
  assert.equal(chain.overlays.length, 1);
  assert.equal(chain.base.path, base);
  assert.equal((await stat(flat)).mode & 0o777, 0o600);
  assert.ok((await stat(flat)).blocks * 512 < 2 << 20, "it copies the base");
});

test("a flattened disk can be written, and flattened again", async () => {
  const top = layers.at(-1) ?? "";
  const [flat, again] = [join(directory, "first.qcow2"), join(directory, "second.qcow2")];
  await flattenChain(disk(top), flat, signal);
  await imageIo(flat, ["write -P 9 3M 1M", "write -P 10 15M 4k", "write -z 1M 64k"]);
  await runCommand(["qemu-img", "check", flat]);
  await flattenChain(disk(flat), again, signal);
  await runCommand(["qemu-img", "compare", flat, again]);
  await runCommand(["qemu-img", "check", again]);
});

test("zeros over the base stay zeros, and zeros over nothing take no space", async () => {
  const [below = "", top = ""] = await newImages(directory, base, [16, 16], "zeros");
  await imageIo(below, ["write -P 1 8M 1M", "write -P 0 10M 1M"]);
  await imageIo(top, ["write -z 0 4k", "write -z 8M 512k", "discard 9M 128k"]);
  const flat = join(directory, "zeros.qcow2");
  await flattenChain(disk(top), flat, signal);
  await runCommand(["qemu-img", "compare", top, flat]);
  await runCommand(["qemu-img", "check", flat]);
  assert.ok((await stat(flat)).blocks * 512 < 1 << 20, "zeros are stored");
});

test("a disk that has grown reads zeros where a lower overlay has ended", async () => {
  const large = join(directory, "large.raw");
  await writeFile(large, Buffer.alloc(8 << 20, "base"));
  const [small = "", top = ""] = await newImages(directory, large, [4, 1030], "grown");
  await imageIo(small, ["write -P 1 1M 4k"]);
  await imageIo(top, ["write -P 2 1026M 64k", "write -P 3 6M 4k"]);
  const flat = join(directory, "grown.qcow2");
  await flattenChain(disk(top), flat, signal);
  await runCommand(["qemu-img", "compare", top, flat]);
  await runCommand(["qemu-img", "check", flat]);
});

test("an empty overlay on a smaller one reads zeros there, not what the base has", async () => {
  const large = join(directory, "full.raw");
  await writeFile(large, Buffer.alloc(8 << 20, "base"));
  const [, top = ""] = await newImages(directory, large, [4, 8], "empty");
  const flat = join(directory, "empty.qcow2");
  await flattenChain(disk(top), flat, signal);
  await runCommand(["qemu-img", "compare", top, flat]);
  await runCommand(["qemu-img", "check", flat]);
});

test("an image that is no overlay is not flattened", async () => {
  await assert.rejects(flattenChain(disk(base), join(directory, "x"), signal), (error) =>
    WrennError.is(error, "disk_image_refused"),
  );
});

test("flattening that is broken off leaves nothing", async () => {
  const names = await readdir(directory);
  const target = join(directory, "never");
  const abort = new AbortController();
  const running = assert.rejects(flattenChain(disk(layers.at(-1) ?? ""), target, abort.signal), /stop/);
  while ((await readdir(directory)).length === names.length) signal.throwIfAborted();
  abort.abort(new Error("stop"));
  await running;
  assert.deepEqual(await readdir(directory), names);
  await assert.rejects(flattenChain(disk(layers.at(-1) ?? ""), target, abort.signal), /stop/);
});

test("an existing file at the target is kept when flattening fails", async () => {
  const target = join(directory, "kept.qcow2");
  await writeFile(target, "earlier");
  await assert.rejects(flattenChain(disk(base), target, signal));
  assert.equal(await readFile(target, "utf8"), "earlier");
  await rm(target);
});

test("a chain with a missing image is an error that names it", async () => {
  const orphan = join(directory, "orphan.qcow2");
  await createOverlay(orphan, { backing: "/nowhere/base.raw", backingFormat: "raw", sizeMib: 1 });
  await assert.rejects(
    flattenChain({ path: orphan, readable: ["/nowhere"] }, join(directory, "x"), signal),
    /the disk image \/nowhere\/base\.raw is not used: it does not exist/,
  );
  await rm(orphan);
});

test("too little room is said before work begins", async () => {
  await checkFreeSpace(directory, 1);
  await assert.rejects(checkFreeSpace(directory, 2 ** 60), (error) => WrennError.is(error, "disk_full"));
});
