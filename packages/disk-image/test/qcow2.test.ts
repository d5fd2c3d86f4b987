import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCommand } from "@wrenn/system";
import fc from "fast-check";
import { createOverlay, encodeOverlay } from "../src/qcow2.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "wrenn-qcow2-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function rawImage(name: string, mib: number, content = ""): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  await runCommand(["truncate", "--size", `${mib}M`, path]);
  return path;
}

test("qemu-img finds an overlay sound, and describes it as asked", async () => {
  const backing = await rawImage("base.raw", 64);
  const path = join(directory, "a.qcow2");
  await createOverlay(path, { backing, backingFormat: "raw", sizeMib: 5120 });
  await runCommand(["qemu-img", "check", path]);
  const info = JSON.parse((await runCommand(["qemu-img", "info", "--output=json", path])).stdout);
  assert.equal(info["virtual-size"], 5120 * 2 ** 20);
  assert.equal(info["cluster-size"], 128 * 1024);
  assert.equal(info["backing-filename"], backing);
  assert.equal(info["backing-filename-format"], "raw");
  assert.deepEqual(
    [info["format-specific"].data["extended-l2"], info["format-specific"].data.compat],
    [true, "1.1"],
  );
});

test("what is written to an overlay comes back, and what is not comes from underneath", async () => {
  const backing = await rawImage("text.raw", 8, "underneath");
  const path = join(directory, "b.qcow2");
  await createOverlay(path, { backing, backingFormat: "raw", sizeMib: 8 });
  const second = join(directory, "c.qcow2");
  await createOverlay(second, { backing: path, backingFormat: "qcow2", sizeMib: 8 });
  await runCommand(["qemu-io", "-c", "write -P 0x57 4096 4096", "-c", "write -P 0x58 8126464 65536", second]);
  await runCommand(["qemu-img", "check", second]);
  const read = await runCommand(
    ["qemu-io", "-c", "read -P 0x57 4096 4096", "-c", "read -P 0x58 8126464 65536", second],
    {},
  );
  assert.doesNotMatch(read.stdout, /verification failed/i);
  await runCommand(["qemu-img", "convert", "-O", "raw", second, join(directory, "flat.raw")]);
  const { stdout } = await runCommand(["head", "--bytes=10", join(directory, "flat.raw")]);
  assert.equal(stdout, "underneath");
});

test("an existing file is never written over", async () => {
  const path = join(directory, "taken.qcow2");
  await writeFile(path, "mine");
  await assert.rejects(createOverlay(path, { backing: "/x", backingFormat: "raw", sizeMib: 1 }), {
    code: "EEXIST",
  });
});

test("sizes and paths that the format cannot hold are refused", () => {
  const overlay = { backing: "/x", backingFormat: "raw", sizeMib: 1 } as const;
  assert.throws(() => encodeOverlay({ ...overlay, backing: `/${"x".repeat(1023)}` }), RangeError);
  assert.throws(() => encodeOverlay({ ...overlay, backing: "relative" }), RangeError);
  assert.throws(() => encodeOverlay({ ...overlay, sizeMib: 0 }), RangeError);
  assert.throws(() => encodeOverlay({ ...overlay, sizeMib: 1.3 }), RangeError);
  assert.throws(() => encodeOverlay({ ...overlay, sizeMib: 2 ** 34 }), RangeError);
});

test("every size that is accepted is sound to qemu-img", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 24 }), async (sizeMib) => {
      const path = join(directory, "p.qcow2");
      await writeFile(path, encodeOverlay({ backing: "/nowhere", backingFormat: "raw", sizeMib }));
      const { stdout } = await runCommand(["qemu-img", "info", "-U", "--output=json", path]);
      assert.equal(JSON.parse(stdout)["virtual-size"], sizeMib * 2 ** 20);
      await runCommand([
        "qemu-img",
        "check",
        "-U",
        "--image-opts",
        `driver=qcow2,file.filename=${path},backing=`,
      ]);
    }),
    { numRuns: 8 },
  );
});
