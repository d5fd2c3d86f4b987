import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { listSources, projectRoot } from "../support/sources.ts";

/** Starts a program of QEMU's tools for disk images, which open whatever file or server an image names. */
const TOOL = /["'`/](qemu-(img|io|nbd|storage-daemon))["'`]/;

test("no part of a server runs QEMU's tools on disks, which machines have written", async () => {
  const files = (await listSources(["packages", "apps"])).filter((file) => /^[^/]+\/[^/]+\/src\//.test(file));
  assert.ok(files.length > 500, `${files.length} sources`);
  const named: string[] = [];
  for (const file of files) if (TOOL.test(await readFile(`${projectRoot}/${file}`, "utf8"))) named.push(file);
  assert.deepEqual(named, []);
  assert.match('runCommand(["qemu-img", "info"])', TOOL);
});
