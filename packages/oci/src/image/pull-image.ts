import { join } from "node:path";
import { ConcurrencyLimit, WrennError } from "@wrenn/core";
import { chooseManifest, platformMissing } from "./choose-manifest.ts";
import type { ChosenManifest } from "./choose-manifest.ts";
import { readImageConfig } from "./image-config.ts";
import type { OciImageConfig } from "./image-config.ts";
import type { Descriptor, ImageSource } from "./image-source.ts";
import { defaultImageLimits } from "./limits.ts";
import type { ImageLimits, OnImageProgress } from "./limits.ts";
import { configProblem, layerProblem } from "./media-types.ts";
import { fitsPlatform } from "./platform.ts";
import type { Platform } from "./platform.ts";

const DOWNLOADS_AT_ONCE = 3;

export interface ChooseOptions {
  readonly platform: Platform;
  readonly signal: AbortSignal;
  readonly limits?: Partial<ImageLimits>;
}

export interface PullOptions extends ChooseOptions {
  /** What {@link chooseImage} has found; default: it is looked for. */
  readonly chosen?: ChosenManifest;
  /** An existing empty directory that layers are written to. The caller removes it, also after an error. */
  readonly directory: string;
  readonly progress?: OnImageProgress;
}

/** A layer on this machine's disk: a tar archive, which may be compressed. Its digest is verified. */
export interface LayerFile {
  readonly path: string;
  /** Names the layer in errors. */
  readonly digest: string;
  /** The digest of the archive after decompression, which is verified when the layer is applied. */
  readonly diffId: string;
  /** Bytes of the file. */
  readonly size: number;
}

export interface PulledImage {
  readonly name: string;
  /** The digest of the manifest for the platform: `NAME@DIGEST` always names this image. */
  readonly digest: string;
  readonly config: OciImageConfig;
  /** From the lowest up. A layer that an image has twice is one file. */
  readonly layers: readonly LayerFile[];
}

/**
 * Finds the image for a platform. Nothing but manifests is read.
 *
 * @throws WrennError `image_platform_missing`, which lists the platforms that there are; `image_unsupported`, `image_too_large`, and
 * what reading a manifest of the source throws.
 */
export async function chooseImage(
  source: ImageSource,
  { platform, signal, limits }: ChooseOptions,
): Promise<ChosenManifest> {
  const manifest = await chooseManifest(source, platform, signal);
  checkLayers(source.name, manifest.config, manifest.layers, { ...defaultImageLimits, ...limits });
  return manifest;
}

/**
 * Brings an image for a platform to this machine's disk. All digests and sizes are verified on the way, and no layer is held in memory.
 * Nothing but manifests and the configuration is read before the platform is known to fit.
 *
 * @throws WrennError `image_platform_missing`, `image_unsupported`, `image_too_large`, `image_damaged`, `image_not_found`,
 * `image_access_denied`, `registry_unreachable`, `registry_rate_limited`, `disk_full`; the signal's reason.
 */
export async function pullImage(source: ImageSource, options: PullOptions): Promise<PulledImage> {
  const { platform, signal } = options;
  const manifest = options.chosen ?? (await chooseImage(source, options));
  const config = readImageConfig(await source.readBlob(manifest.config, signal), source.name);
  if (!fitsPlatform(withVariant(config.platform, platform), platform))
    throw platformMissing(source.name, platform, [config.platform]);
  if (config.diffIds.length !== manifest.layers.length)
    throw new WrennError("image_unsupported", {
      image: source.name,
      problem: `its manifest has ${manifest.layers.length} layers, and its configuration ${config.diffIds.length}`,
    });
  const paths = await saveLayers(source, manifest.layers, options);
  return {
    name: source.name,
    digest: manifest.digest,
    config,
    layers: manifest.layers.map(({ digest, size }, at) => ({
      path: paths.get(digest) ?? "",
      digest,
      diffId: config.diffIds[at] ?? "",
      size,
    })),
  };
}

/** Many builders leave the variant out of the configuration, also where the list of manifests has it. */
function withVariant(said: Platform, wanted: Platform): Platform {
  return { ...wanted, ...said };
}

function checkLayers(
  image: string,
  config: Descriptor,
  layers: readonly Descriptor[],
  limits: ImageLimits,
): void {
  const problem =
    configProblem(config.mediaType) ??
    layers.map(({ mediaType }) => layerProblem(mediaType)).find((one) => one !== undefined);
  if (problem !== undefined) throw new WrennError("image_unsupported", { image, problem });
  if (layers.length > limits.layers)
    throw new WrennError("image_too_large", { limit: limits.layers, what: "layers" });
  if (totalSize(layers) > limits.downloadBytes)
    throw new WrennError("image_too_large", { limit: limits.downloadBytes, what: "bytes of layers" });
}

async function saveLayers(
  source: ImageSource,
  layers: readonly Descriptor[],
  { directory, signal, progress }: PullOptions,
): Promise<ReadonlyMap<string, string>> {
  const different = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  const total = totalSize(different);
  const places = new ConcurrencyLimit(DOWNLOADS_AT_ONCE);
  // The first failure ends the other downloads. All have ended when the error is thrown, so that none writes to a removed directory.
  const failure = new AbortController();
  const each = AbortSignal.any([signal, failure.signal]);
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    progress?.({ step: "download", done, total });
  };
  const paths = new Map<string, string>();
  const downloads = different.map(async (layer, at) => {
    const path = join(directory, `layer-${at}`);
    paths.set(layer.digest, path);
    try {
      await places.run(async () => await source.saveBlob(layer, path, { signal: each, onBytes }), each);
    } catch (error) {
      failure.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(downloads);
  signal.throwIfAborted();
  if (results.some(({ status }) => status === "rejected")) throw failure.signal.reason;
  return paths;
}

function totalSize(layers: readonly Descriptor[]): number {
  return layers.reduce((total, { size }) => total + size, 0);
}
