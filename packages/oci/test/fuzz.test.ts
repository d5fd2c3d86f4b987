import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { applyLayers, unpackLayers } from "@wrenn/oci";
import { WrennError } from "@wrenn/core";
import { tryCommand } from "@wrenn/system";
import { TarError } from "../src/tar/tar-error.ts";
import { TarReader } from "../src/tar/tar-reader.ts";
import { applyEntry } from "../src/tree/apply-entry.ts";
import { TreeError, TreeLimitError } from "../src/tree/tree-error.ts";
import { VirtualTree } from "../src/tree/virtual-tree.ts";
import { buildImage } from "./support/built-image.ts";
import type { LayerCompression } from "./support/built-image.ts";
import { debianShaped } from "./support/image-shapes.ts";
import { layerCases } from "./support/layer-cases.ts";
import { layersOf } from "./support/layer-files.ts";
import { layoutFiles, writeFiles } from "./support/layout-directory.ts";
import { listTree } from "./support/list-tree.ts";
import { mutateArchive } from "./support/mutate-archive.ts";
import { randomLayers } from "./support/random-layers.ts";
import { ScratchDirectory } from "./support/scratch-directory.ts";
import { SeededRandom } from "./support/seeded-random.ts";
import { file, tarOf } from "./support/tar-builder.ts";

const signal = new AbortController().signal;
/** WRENN_TEST_SEED repeats a run that failed. */
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);
/** Times as many rounds. */
const times = process.env["WRENN_TEST_LONG"] ? 20 : 1;

const archives: readonly Buffer[] = [
  ...debianShaped().layers.map((members) => (Buffer.isBuffer(members) ? members : tarOf(members))),
  ...layerCases.flatMap(({ layers }) => layers.map((members) => tarOf(members))),
  tarOf([
    file("sparse", "x".repeat(20), { pax: { "GNU.sparse.map": "0,10,50,10", "GNU.sparse.size": "100" } }),
    file("s", `1\n3\n5\n${"\0".repeat(506)}abcde`, {
      pax: { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "20" },
    }),
    file("old", "", { flag: "S" }),
    file("n".repeat(200), "1", { pax: { "SCHILY.xattr.user.a": "b", mtime: "1.5" } }),
  ]),
];

test(`any bytes are a layer, or are refused by a typed error (seed ${seed})`, () => {
  const random = new SeededRandom(seed);
  const before = process.cpuUsage();
  let refused = 0;
  for (let round = 0; round < 3000 * times; round += 1) {
    const archive = mutateArchive(archives[random.below(archives.length)] ?? Buffer.of(), random);
    const tree = new VirtualTree(5000);
    try {
      const reader = new TarReader((entry) => applyEntry(tree, entry, 0));
      const pieceBytes = random.pick([archive.length + 1, 512, 1000]);
      for (let at = 0; at < archive.length; at += pieceBytes)
        reader.write(archive.subarray(at, at + pieceBytes));
      reader.end();
    } catch (error) {
      assert.ok(
        error instanceof TarError || error instanceof TreeError || error instanceof TreeLimitError,
        `round ${round}: ${String(error)}`,
      );
      assert.ok(error.message.length < 300);
      refused += 1;
    }
  }
  assert.ok(refused > 500 * times && refused < 3000 * times, `${refused} are refused`);
  assert.ok(process.cpuUsage(before).user < 20_000_000 * times);
});

test(`mutated layers write nothing outside of their tree (seed ${seed})`, async () => {
  const random = new SeededRandom(seed);
  for (let round = 0; round < 20 * times; round += 1) {
    await using directory = await ScratchDirectory.create();
    const layers = [0, 1].map(() =>
      mutateArchive(archives[random.below(archives.length)] ?? Buffer.of(), random),
    );
    const files = await layersOf(directory, layers, random.pick(["none", "gzip", "zstd"]));
    const before = await readdir(directory.path);
    await applyLayers(files, { ...directory.places, signal }).catch((error: unknown) => {
      assert.ok(error instanceof WrennError, String(error));
      assert.ok(["image_layer_refused", "image_too_large"].includes(error.reason), error.message);
    });
    assert.deepEqual(await readdir(directory.path), before);
    assert.deepEqual(await readdir(directory.scratch), []);
  }
});

test(`mutated compression is refused by a typed error (seed ${seed})`, async () => {
  const random = new SeededRandom(seed);
  for (let round = 0; round < 30 * times; round += 1) {
    await using directory = await ScratchDirectory.create();
    const compression = random.pick<LayerCompression>(["gzip", "zstd"]);
    const [layer] = await layersOf(directory, [archives[0] ?? Buffer.of()], compression);
    assert.ok(layer);
    const bytes = await readFile(layer.path);
    for (let flips = 1 + random.below(4); flips > 0; flips -= 1)
      bytes[random.below(bytes.length)] = random.below(256);
    await writeFile(layer.path, bytes.subarray(0, random.pick([bytes.length, random.below(bytes.length)])));
    try {
      await using unpacked = await unpackLayers([layer], { ...directory.places, signal });
      assert.ok(unpacked.tree.root.names.size > 0);
    } catch (error) {
      assert.ok(error instanceof WrennError, String(error));
      assert.ok(["image_layer_refused", "image_damaged"].includes(error.reason), error.message);
    }
    assert.deepEqual(await readdir(directory.scratch), []);
  }
});

const umoci = await tryCommand(["umoci", "--version"]).catch(() => undefined);

test(
  `umoci makes the same of random layers (seed ${seed})`,
  { skip: umoci === undefined && "umoci is not installed" },
  async () => {
    for (let round = 0; round < 12 * times; round += 1) {
      await using directory = await ScratchDirectory.create();
      const layers = randomLayers(new SeededRandom(seed + round));
      await writeFiles(`${directory.path}/layout`, layoutFiles({ random: buildImage({ layers }) }));
      const other = `${directory.path}/other`;
      const { code } = await tryCommand([
        "umoci",
        "raw",
        "unpack",
        "--image",
        `${directory.path}/layout:random`,
        other,
      ]);
      const expected = code === 0 ? await listTree(other) : undefined;
      const actual = await applyLayers(await layersOf(directory, layers), {
        ...directory.places,
        signal,
      }).then(
        async () => await listTree(directory.tree),
        (error: unknown) => {
          assert.ok(WrennError.is(error, "image_layer_refused"), String(error));
          return undefined;
        },
      );
      assert.deepEqual(actual, expected, `WRENN_TEST_SEED=${seed + round} repeats it in the first round`);
    }
  },
);
