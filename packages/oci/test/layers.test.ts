import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { applyLayers } from "@wrenn/oci";
import { tryCommand } from "@wrenn/system";
import { WrennError } from "@wrenn/core";
import { buildImage } from "./support/built-image.ts";
import { layerCases } from "./support/layer-cases.ts";
import { layoutFiles, writeFiles } from "./support/layout-directory.ts";
import { listTree } from "./support/list-tree.ts";
import { ScratchDirectory } from "./support/scratch-directory.ts";
import { layersOf } from "./support/layer-files.ts";

const signal = new AbortController().signal;

for (const { name, layers, tree } of layerCases)
  test(`layers: ${name}`, async () => {
    await using directory = await ScratchDirectory.create();
    const files = await layersOf(directory, layers);
    const applied = applyLayers(files, { ...directory.places, signal });
    if (tree === undefined) {
      await assert.rejects(applied, (error) => WrennError.is(error, "image_layer_refused"));
      assert.deepEqual(await listTree(directory.tree), []);
      return;
    }
    await applied;
    assert.deepEqual(await listTree(directory.tree), tree);
  });

const umoci = await tryCommand(["umoci", "--version"]).catch(() => undefined);

test(
  "umoci makes the same of all layers",
  { skip: umoci === undefined && "umoci is not installed" },
  async () => {
    await using directory = await ScratchDirectory.create();
    const others: Record<string, readonly string[] | undefined> = {};
    const ours: Record<string, readonly string[] | undefined> = {};
    const images = layerCases.map(({ layers }, at) => [`case-${at}`, buildImage({ layers })] as const);
    await writeFiles(join(directory.path, "layout"), layoutFiles(Object.fromEntries(images)));
    for (const [at, { name, tree, differs }] of layerCases.entries()) {
      if (differs !== undefined) continue;
      const target = join(directory.path, `case-${at}`);
      const { code } = await tryCommand([
        "umoci",
        "raw",
        "unpack",
        "--image",
        `${directory.path}/layout:case-${at}`,
        target,
      ]);
      others[name] = code === 0 ? await listTree(target) : undefined;
      ours[name] = tree;
    }
    assert.deepEqual(ours, others);
  },
);
