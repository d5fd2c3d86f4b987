import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import { parseChain } from "../src/chain.ts";
import { checkFreeSpace, createOverlay, flattenChain, readChain } from "../src/index.ts";

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
  layers = [1, 2, 3, 4].map((layer) => join(directory, `${layer}.qcow2`));
  for (const [index, path] of layers.entries()) {
    await createOverlay(path, {
      backing: layers[index - 1] ?? base,
      backingFormat: index === 0 ? "raw" : "qcow2",
      sizeMib: 16,
    });
    await runCommand(["qemu-io", "-c", `write -P ${index + 1} ${(index + 1) << 20} 64k`, path]);
  }
});
after(() => rm(directory, { recursive: true, force: true }));

test("a chain is read from the writable image down", async () => {
  const top = layers.at(-1) ?? "";
  const chain = await readChain(top, signal);
  assert.deepEqual(
    chain.map(({ path, format }) => [path, format]),
    [...layers.toReversed().map((path) => [path, "qcow2"]), [base, "raw"]],
  );
  assert.ok(chain.every(({ virtualSize }) => virtualSize === 16 << 20));
  assert.ok(chain.every(({ allocatedBytes }) => allocatedBytes > 0 && allocatedBytes < 2 << 20));
});

test("a flattened disk is one overlay on the same base, with the same content", async () => {
  const top = layers.at(-1) ?? "";
  const flat = join(directory, "flat.qcow2");
  await writeFile(`${flat}.flattening`, "left by a killed process");
  await flattenChain(top, flat, signal);
  await runCommand(["qemu-img", "compare", top, flat]);
  await runCommand(["qemu-img", "check", flat]);
  assert.deepEqual(
    (await readChain(flat, signal)).map(({ path }) => path),
    [flat, base],
  );
  assert.equal((await stat(flat)).mode & 0o777, 0o600);
  assert.ok((await stat(flat)).blocks * 512 < 2 << 20, "it copies the base");
});

test("an image that is no overlay is not flattened", async () => {
  await assert.rejects(flattenChain(base, join(directory, "x"), signal), (error) =>
    WrennError.is(error, "operation_failed"),
  );
});

test("flattening that is broken off leaves nothing", async () => {
  const names = await readdir(directory);
  const abort = new AbortController();
  const running = assert.rejects(
    flattenChain(layers.at(-1) ?? "", join(directory, "never"), abort.signal),
    /stop/,
  );
  // It has begun to write, and QEMU's program takes longer than this to start.
  while ((await readdir(directory)).length === names.length) signal.throwIfAborted();
  abort.abort(new Error("stop"));
  await running;
  assert.deepEqual(await readdir(directory), names);
});

test("a chain with a missing image is an error that names it", async () => {
  const orphan = join(directory, "orphan.qcow2");
  await createOverlay(orphan, { backing: "/nowhere/base.raw", backingFormat: "raw", sizeMib: 1 });
  await assert.rejects(readChain(orphan, signal), /\/nowhere\/base\.raw/);
  await rm(orphan);
});

for (const [name, json] of Object.entries({
  "no images": "[]",
  "no list": "{}",
  "no path": `[{"format":"raw","virtual-size":1,"actual-size":1}]`,
  "another format": `[{"filename":"/a","format":"vmdk","virtual-size":1,"actual-size":1}]`,
  "no size": `[{"filename":"/a","format":"raw"}]`,
})) {
  test(`an answer with ${name} is refused`, () => {
    assert.throws(
      () => parseChain("/a", json),
      (error) => WrennError.is(error, "operation_failed"),
    );
  });
}

test("too little room is said before work begins", async () => {
  await checkFreeSpace(directory, 1);
  await assert.rejects(checkFreeSpace(directory, 2 ** 60), (error) => WrennError.is(error, "disk_full"));
});
