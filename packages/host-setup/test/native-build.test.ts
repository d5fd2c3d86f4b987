import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildNative } from "@wrenn/host-setup";

test("a part is built again when its sources change, or those of another part that its Makefile names", async (t) => {
  const projectRoot = await mkdtemp(join(tmpdir(), "wrenn-native-"));
  t.after(() => rm(projectRoot, { recursive: true, force: true }));
  const at = (path: string): string => join(projectRoot, "native", path);
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(join(at(path), ".."), { recursive: true });
    await writeFile(at(path), text);
  };
  const builds = async (part: string): Promise<number> =>
    (await readFile(at(`${part}/build/count`), "utf8")).length;
  const build = (): Promise<void> => buildNative({ projectRoot, progress: () => {} });
  const rule = "all:\n\t@printf x >> build/count\n";
  await write("base/Makefile", rule);
  await write("base/src/base.c", "1");
  await write("user/Makefile", `SOURCES = ../base/src/base.c\n${rule}`);
  await write("user/src/user.c", "1");
  const counts = async (): Promise<readonly number[]> => [await builds("base"), await builds("user")];

  await build();
  await build();
  assert.deepEqual(await counts(), [1, 1]);
  await write("user/src/user.c", "2");
  await build();
  assert.deepEqual(await counts(), [1, 2]);
  await write("base/src/base.c", "2");
  await build();
  assert.deepEqual(await counts(), [2, 3]);
});
