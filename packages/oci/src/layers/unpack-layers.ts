import { rm } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import type { LayerFile } from "../image/pull-image.ts";
import { defaultImageLimits } from "../image/limits.ts";
import type { ImageLimits, OnImageProgress } from "../image/limits.ts";
import { Digester } from "../reference/digest.ts";
import { shown } from "../tar/byte-string.ts";
import { TarError } from "../tar/tar-error.ts";
import { TarReader } from "../tar/tar-reader.ts";
import { applyEntry } from "../tree/apply-entry.ts";
import { TreeError, TreeLimitError } from "../tree/tree-error.ts";
import { VirtualTree } from "../tree/virtual-tree.ts";
import { compressionOf, decompress } from "../disk/decompress.ts";
import { Spool } from "../disk/spool.ts";

export interface UnpackOptions {
  /** An existing directory for the decompressed archives, which are removed with the result. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly limits?: Partial<ImageLimits>;
  readonly progress?: OnImageProgress;
}

/** The files of an image: a tree in memory, and their contents in archives on disk. */
export class UnpackedLayers implements AsyncDisposable {
  readonly tree: VirtualTree;
  /** By the number of the layer. */
  readonly spools: readonly Spool[];
  readonly #owned: AsyncDisposableStack;

  constructor(tree: VirtualTree, spools: readonly Spool[], owned: AsyncDisposableStack) {
    this.tree = tree;
    this.spools = spools;
    this.#owned = owned;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/**
 * Decompresses the layers of an image, from the lowest up, verifies them against the digests of its configuration, and applies them to a
 * tree in memory. Nothing is written but the archives in `scratch`.
 *
 * @throws WrennError `image_layer_refused` naming layer and path, `image_damaged`, `image_too_large`, `disk_full`; the signal's reason.
 */
export async function unpackLayers(
  layers: readonly LayerFile[],
  options: UnpackOptions,
): Promise<UnpackedLayers> {
  const { scratch, signal, progress } = options;
  const limits = { ...defaultImageLimits, ...options.limits };
  const tree = new VirtualTree(limits.entries);
  const budget = new ByteBudget(limits.unpackedBytes);
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  await using owned = new AsyncDisposableStack();
  const spools: Spool[] = [];
  for (const [number, layer] of layers.entries()) {
    const compression = await compressionOf(layer.path);
    // An archive that is not compressed is read where it is.
    const path = join(scratch, `unpacked-${number}`);
    if (compression !== "none") owned.defer(async () => await rm(path, { force: true }));
    const spool = owned.use(compression === "none" ? await Spool.open(layer.path) : await Spool.create(path));
    spools.push(spool);
    const digester = new Digester(layer.diffId);
    const reader = layerReader(tree, layer, number);
    const onRead = (bytes: number): void => progress?.({ step: "unpack", done: done + bytes, total });
    try {
      for await (const piece of decompress(layer.path, compression, signal, onRead)) {
        budget.spend(piece.length);
        digester.update(piece);
        reader.write(piece);
        if (compression !== "none") await spool.append(piece);
      }
      reader.end();
    } catch (error) {
      throw layerError(error, layer);
    }
    if (compression !== "none") await spool.finish();
    const digest = digester.digest();
    if (digest !== layer.diffId)
      throw new WrennError("image_damaged", {
        image: "the image",
        blob: layer.digest,
        problem: `after decompression its digest is ${digest}, and the configuration says ${layer.diffId}`,
      });
    done += layer.size;
    progress?.({ step: "unpack", done, total });
  }
  return new UnpackedLayers(tree, spools, owned.move());
}

function layerReader(tree: VirtualTree, layer: LayerFile, number: number): TarReader {
  return new TarReader((entry) => {
    try {
      applyEntry(tree, entry, number);
    } catch (error) {
      throw layerError(error, layer, entry.name);
    }
  });
}

/** What a reader of the catalogue's errors gets for one of the parsers'. */
function layerError(error: unknown, layer: LayerFile, name = ""): unknown {
  if (error instanceof TreeLimitError)
    return new WrennError("image_too_large", { limit: error.limit, what: error.what }, { cause: error });
  if (!(error instanceof TarError || error instanceof TreeError)) return error;
  const path = shown(error instanceof TarError && error.path !== "" ? error.path : name);
  return new WrennError(
    "image_layer_refused",
    { layer: layer.digest, path: path === "" ? "its archive" : path, problem: error.message },
    { cause: error },
  );
}

/** Counts decompressed bytes before they are used, so that a small layer cannot fill the disk. */
class ByteBudget {
  readonly #limit: number;
  #spent = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  spend(bytes: number): void {
    this.#spent += bytes;
    if (this.#spent > this.#limit)
      throw new WrennError("image_too_large", { limit: this.#limit, what: "bytes when it is unpacked" });
  }
}
