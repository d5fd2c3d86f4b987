import { stat } from "node:fs/promises";
import { defined, WrennError } from "@wrenn/core";
import { hasCode } from "@wrenn/system";
import { defaultImageLimits } from "../image/limits.ts";
import type { ImageLimits } from "../image/limits.ts";
import { MAX_JSON_BYTES } from "../image/image-source.ts";
import { shown } from "../tar/byte-string.ts";
import { TarError } from "../tar/tar-error.ts";
import { DirectoryFiles, readRegion } from "./archive-files.ts";
import type { ArchiveFiles } from "./archive-files.ts";
import { isSameName } from "./archived-image.ts";
import type { ArchivedImage, ArchivedSource } from "./archived-image.ts";
import { dockerImages } from "./docker-images.ts";
import { layoutImages } from "./layout-images.ts";
import { TarFiles } from "./tar-files.ts";

export interface OpenArchiveOptions {
  /** An existing directory; an archive that is compressed is decompressed there, until the result is disposed of. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly limits?: Partial<ImageLimits>;
  /** What errors call the archive. Default: its path. */
  readonly name?: string;
  /** Is asked again and again while an archive is decompressed, and may refuse: it takes room on the disk. */
  readonly admit?: () => Promise<void>;
}

const MAX_LISTED = 20;

/** Images in an archive on this machine's disk. Its files must stay as they are until it is disposed of. */
export class ImageArchive implements AsyncDisposable {
  readonly #name: string;
  readonly #images: readonly ArchivedImage[];
  readonly #files: ArchiveFiles;

  constructor(name: string, images: readonly ArchivedImage[], files: ArchiveFiles) {
    this.#name = name;
    this.#images = images;
    this.#files = files;
  }

  /** References of the images, or what the archive has in their place. */
  get names(): readonly string[] {
    return this.#images.flatMap(({ names }) => names);
  }

  /**
   * The image with a name, or the only one.
   *
   * @throws WrennError `image_choice_needed` where there are several and none is named; `image_not_found`.
   */
  image(name?: string): ArchivedSource {
    const [only, another] = this.#images;
    if (name === undefined && only !== undefined && another === undefined) return only.source;
    if (name === undefined && another !== undefined) {
      const names = this.#images.map((image) => image.names[0] ?? "an image without a name");
      const images = names.slice(0, MAX_LISTED).join(", ");
      throw new WrennError("image_choice_needed", { archive: this.#name, images });
    }
    const found = this.#images.find(({ names }) => names.some((one) => isSameName(one, name ?? "")));
    if (found === undefined)
      throw new WrennError("image_not_found", { image: `${name ?? "any image"} in ${this.#name}` });
    return found.source;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }
}

/**
 * Opens an archive of images: what `docker save` and `podman save` write, or an OCI layout, as a tar archive, which may be compressed
 * with gzip or zstd, or as a directory. An archive that is both, as Docker writes now, is read as an OCI layout: it has digests.
 *
 * @throws WrennError `image_archive_invalid`, `image_unsupported`, `image_too_large`, `disk_full`; the signal's reason.
 */
export async function openImageArchive(path: string, options: OpenArchiveOptions): Promise<ImageArchive> {
  const { signal, name = path } = options;
  await using opened = new AsyncDisposableStack();
  const files = opened.use(await openFiles(path, name, options));
  const read = async (file: string): Promise<Buffer | undefined> => {
    const region = await files.locate(file);
    const bytes = region && (await readRegion(region, MAX_JSON_BYTES, signal));
    if (region && !bytes) throw invalid(name, `its ${file} is longer than ${MAX_JSON_BYTES} bytes`);
    return bytes;
  };
  const isLayout = (await files.locate("oci-layout")) !== undefined;
  const index = isLayout ? await read("index.json") : undefined;
  const manifest = index ? undefined : await read("manifest.json");
  if (!index && !manifest) throw invalid(name, "it has neither an OCI layout nor a manifest.json");
  const images = index
    ? layoutImages(name, index, files)
    : dockerImages(name, manifest ?? Buffer.of(), files);
  opened.move();
  return new ImageArchive(name, images, files);
}

async function openFiles(
  path: string,
  name: string,
  { scratch, signal, limits, admit }: OpenArchiveOptions,
): Promise<ArchiveFiles> {
  const { unpackedBytes: maxBytes } = { ...defaultImageLimits, ...limits };
  try {
    const found = await stat(path);
    if (!found.isDirectory() && !found.isFile()) throw new TarError("it is neither a file nor a directory");
    return found.isDirectory()
      ? await DirectoryFiles.open(path)
      : await TarFiles.open(path, { scratch, maxBytes, signal, ...defined({ admit }) });
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) throw invalid(name, "there is no such file", error);
    if (!(error instanceof TarError)) throw error;
    const place = error.path === "" ? "" : `${shown(error.path)}: `;
    throw invalid(name, `${place}${error.message}`, error);
  }
}

function invalid(archive: string, problem: string, cause?: unknown): WrennError {
  return new WrennError("image_archive_invalid", { archive, problem }, { cause });
}
