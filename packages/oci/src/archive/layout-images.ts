import { readDocument, parseObject, textOf } from "../image/json-fields.ts";
import type { Descriptor, ManifestBytes, SaveBlobOptions } from "../image/image-source.ts";
import { guessManifestType, parseIndex } from "../image/manifest.ts";
import type { IndexEntry } from "../image/manifest.ts";
import { INDEX_TYPES } from "../image/media-types.ts";
import { digestOf } from "../reference/digest.ts";
import { ArchivedBlobs } from "./archived-blobs.ts";
import type { ArchiveFiles } from "./archive-files.ts";
import type { ArchivedImage, ArchivedSource } from "./archived-image.ts";

/** The full name, which containerd and Docker write, and the tag, which is all that the specification has. */
const NAMES: readonly string[] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/**
 * The images of an OCI layout (OCI image specification, image-layout.md). Entries of the index with the same name are one image for
 * several platforms, and so are those without a name.
 *
 * @throws WrennError `image_unsupported` where the index is invalid.
 */
export function layoutImages(
  archive: string,
  index: Uint8Array,
  files: ArchiveFiles,
): readonly ArchivedImage[] {
  const named = readDocument(archive, "its index", () =>
    parseIndex(parseObject(index)).map((entry) => ({ name: nameOf(entry), entry })),
  );
  const images = new Map<string, IndexEntry[]>();
  for (const { name, entry } of named) images.set(name, [...(images.get(name) ?? []), entry]);
  return [...images].map(([name, entries]) => ({
    names: name === "" ? [] : [name],
    source: new LayoutImage(name === "" ? archive : name, entries, files),
  }));
}

class LayoutImage implements ArchivedSource {
  readonly name: string;
  readonly #entries: readonly IndexEntry[];
  readonly #blobs: ArchivedBlobs;

  constructor(name: string, entries: readonly IndexEntry[], files: ArchiveFiles) {
    this.name = name;
    this.#entries = entries;
    this.#blobs = new ArchivedBlobs(
      name,
      async ({ digest }) => await files.locate(`blobs/${digest.replace(":", "/")}`),
    );
  }

  async readManifest(entry: Descriptor | undefined, signal: AbortSignal): Promise<ManifestBytes> {
    const [first, second] = this.#entries;
    const wanted = entry ?? (second === undefined ? first : undefined);
    if (wanted === undefined) return listOf(this.#entries);
    const bytes = await this.#blobs.read(wanted, signal);
    const mediaType =
      wanted.mediaType || readDocument(this.name, "its manifest", () => guessManifestType(bytes));
    return { mediaType, digest: wanted.digest, bytes };
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
}

/** A list of manifests, as a registry would have it. */
function listOf(entries: readonly IndexEntry[]): ManifestBytes {
  const mediaType = INDEX_TYPES[0] ?? "";
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries }));
  return { mediaType, digest: digestOf(bytes), bytes };
}

function nameOf({ annotations }: IndexEntry): string {
  return NAMES.map((key) => textOf(annotations[key], key, 1024)).find((name) => name !== "") ?? "";
}
