import { WrennError } from "@wrenn/core";
import {
  FormatError,
  listOf,
  objectOf,
  parseJson,
  readDocument,
  textOf,
  textsOf,
} from "../image/json-fields.ts";
import { readImageConfig } from "../image/image-config.ts";
import { MAX_JSON_BYTES } from "../image/image-source.ts";
import type { Descriptor, ManifestBytes, SaveBlobOptions } from "../image/image-source.ts";
import { DOCKER_CONFIG_TYPE, DOCKER_LAYER_TYPES, DOCKER_MANIFEST_TYPE } from "../image/media-types.ts";
import { Digester, digestOf } from "../reference/digest.ts";
import { ArchivedBlobs } from "./archived-blobs.ts";
import { compressionOfRegion, readRegion, regionPieces } from "./archive-files.ts";
import type { ArchiveFiles, FileRegion } from "./archive-files.ts";
import type { ArchivedImage, ArchivedSource } from "./archived-image.ts";

const MAX_IMAGES = 1000;
const MAX_NAME = 4096;

/** An image in `manifest.json`: names of files in the archive. */
interface DockerImageFiles {
  readonly config: string;
  readonly layers: readonly string[];
  readonly tags: readonly string[];
}

/**
 * The images of an archive of `docker save` (Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format").
 *
 * @throws WrennError `image_unsupported` where its manifest is invalid.
 */
export function dockerImages(
  archive: string,
  manifest: Uint8Array,
  files: ArchiveFiles,
): readonly ArchivedImage[] {
  const images = readDocument(archive, "its manifest.json", () => parseImages(manifest));
  return images.map((image) => ({
    names: image.tags,
    source: new DockerImage(image.tags[0] ?? archive, image, files),
  }));
}

function parseImages(manifest: Uint8Array): readonly DockerImageFiles[] {
  const limits = { items: 10_000, length: MAX_NAME };
  return listOf(parseJson(manifest), "it", MAX_IMAGES).map((value, at) => {
    const json = objectOf(value, `[${at}]`);
    const config = textOf(json["Config"], "Config", MAX_NAME);
    if (config === "") throw new FormatError("Config is empty");
    return {
      config,
      layers: textsOf(json["Layers"], "Layers", limits),
      tags: textsOf(json["RepoTags"], "RepoTags", limits),
    };
  });
}

/** Such an archive has no manifest with digests. One is made of the digests in the image's configuration, and of the layers' own. */
class DockerImage implements ArchivedSource {
  readonly name: string;
  readonly #image: DockerImageFiles;
  readonly #files: ArchiveFiles;
  readonly #blobs: ArchivedBlobs;
  readonly #regions = new Map<string, FileRegion>();
  /** Digests of layers that were read, by where they are in the archive. */
  readonly #digests = new Map<string, string>();

  constructor(name: string, image: DockerImageFiles, files: ArchiveFiles) {
    this.name = name;
    this.#image = image;
    this.#files = files;
    this.#blobs = new ArchivedBlobs(
      name,
      async ({ digest }) => await Promise.resolve(this.#regions.get(digest)),
    );
  }

  async readManifest(_entry: Descriptor | undefined, signal: AbortSignal): Promise<ManifestBytes> {
    const region = await this.#locate(this.#image.config);
    const config = await readRegion(region, MAX_JSON_BYTES, signal);
    if (config === undefined)
      throw new WrennError("image_too_large", { limit: MAX_JSON_BYTES, what: "bytes in its configuration" });
    const { diffIds } = readImageConfig(config, this.name);
    const manifest = {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST_TYPE,
      config: this.#blob(DOCKER_CONFIG_TYPE, digestOf(config), region),
      layers: [] as Descriptor[],
    };
    for (const [at, file] of this.#image.layers.entries())
      manifest.layers.push(await this.#layer(file, diffIds[at] ?? "", signal));
    const bytes = Buffer.from(JSON.stringify(manifest));
    return { mediaType: DOCKER_MANIFEST_TYPE, digest: digestOf(bytes), bytes };
  }

  async readBlob(blob: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
    return await this.#blobs.read(blob, signal);
  }

  async saveBlob(blob: Descriptor, path: string, options: SaveBlobOptions): Promise<void> {
    await this.#blobs.save(blob, path, options);
  }

  async checkBlob(blob: Descriptor, signal: AbortSignal): Promise<void> {
    await this.#blobs.check(blob, signal);
  }

  /** Layers are archives as they are, whose digests the configuration has. Other tools than Docker compress them. */
  async #layer(file: string, diffId: string, signal: AbortSignal): Promise<Descriptor> {
    const region = await this.#locate(file);
    const compression = await compressionOfRegion(region);
    if (compression === "none" && diffId !== "") return this.#blob(DOCKER_LAYER_TYPES.none, diffId, region);
    const place = `${region.offset} ${region.path}`;
    const digest = this.#digests.get(place) ?? (await digestOfRegion(region, signal));
    this.#digests.set(place, digest);
    return this.#blob(DOCKER_LAYER_TYPES[compression], digest, region);
  }

  #blob(mediaType: string, digest: string, region: FileRegion): Descriptor {
    this.#regions.set(digest, region);
    return { mediaType, digest, size: region.size };
  }

  async #locate(file: string): Promise<FileRegion> {
    const region = await this.#files.locate(file);
    if (region !== undefined) return region;
    const problem = "the archive does not have it";
    throw new WrennError("image_damaged", { image: this.name, blob: file.slice(0, 255), problem });
  }
}

async function digestOfRegion(region: FileRegion, signal: AbortSignal): Promise<string> {
  const digester = new Digester();
  for await (const piece of regionPieces(region, signal)) digester.update(piece);
  return digester.digest();
}
