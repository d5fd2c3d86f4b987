import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { TemplateImages } from "../src/copies/template-images.ts";

const root = await mkdtemp("/tmp/wrenn-images-");
after(() => rm(root, { recursive: true, force: true }));
const images = new TemplateImages(join(root, "images"));
await images.open();

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

test("an image of the host gets a second name, and stays as it is", async () => {
  const own = join(root, "rootfs");
  await writeFile(own, "content");
  await chmod(own, 0o644);
  await images.share("a".repeat(64), own);
  const found = (await images.find("a".repeat(64))) ?? assert.fail("it is not there");
  assert.equal((await stat(found)).ino, (await stat(own)).ino);
  assert.equal(await modeOf(own), 0o644);
  await images.collect([]);
  assert.equal(await images.find("a".repeat(64)), undefined);
  assert.equal(await readFile(own, "utf8"), "content");
});

test("an image that was received is read only", async () => {
  const digest = "b".repeat(64);
  await images.stage(digest);
  await writeFile(images.stagedPath(digest), "content");
  await images.keep(digest);
  assert.equal(await modeOf((await images.find(digest)) ?? ""), 0o444);
});
