import { WrennError } from "@wrenn/core";
import { MAX_JSON_BYTES } from "../image/image-source.ts";
import type { Descriptor, SaveBlobOptions } from "../image/image-source.ts";
import { Digester, digestOf } from "../reference/digest.ts";
import { FileSink } from "../disk/blob-sink.ts";
import { readRegion, regionPieces } from "./archive-files.ts";
import type { FileRegion } from "./archive-files.ts";

/** Finds the file of a blob in an archive. */
export type LocateBlob = (blob: Descriptor) => Promise<FileRegion | undefined>;

/** Blobs of one image in an archive. All that is read is verified. */
export class ArchivedBlobs {
  readonly #image: string;
  readonly #locate: LocateBlob;

  /** @param image - what errors call the image. */
  constructor(image: string, locate: LocateBlob) {
    this.#image = image;
    this.#locate = locate;
  }

  /** @throws WrennError `image_damaged` or `image_too_large`; the signal's reason. */
  async read(blob: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
    const region = await this.#find(blob);
    const bytes = await readRegion(region, MAX_JSON_BYTES, signal);
    if (bytes === undefined)
      throw new WrennError("image_too_large", { limit: MAX_JSON_BYTES, what: "bytes in its description" });
    this.#check(blob, digestOf(bytes, blob.digest));
    return bytes;
  }

  /** @throws WrennError `image_damaged` or `disk_full`; the signal's reason. */
  async save(blob: Descriptor, path: string, { signal, onBytes }: SaveBlobOptions): Promise<void> {
    const region = await this.#find(blob);
    await using sink = await FileSink.create(path);
    const digester = new Digester(blob.digest);
    for await (const piece of regionPieces(region, signal)) {
      digester.update(piece);
      await sink.write(piece);
      onBytes?.(piece.length);
    }
    this.#check(blob, digester.digest());
    sink.keep();
  }

  /** @throws WrennError `image_damaged`; the signal's reason. */
  async check(blob: Descriptor, signal: AbortSignal): Promise<void> {
    const digester = new Digester(blob.digest);
    for await (const piece of regionPieces(await this.#find(blob), signal)) digester.update(piece);
    this.#check(blob, digester.digest());
  }

  async #find(blob: Descriptor): Promise<FileRegion> {
    const region = await this.#locate(blob);
    if (region === undefined) throw this.#damaged(blob, "the archive does not have it");
    if (region.size !== blob.size)
      throw this.#damaged(blob, `it has ${region.size} bytes, and the manifest says ${blob.size}`);
    return region;
  }

  #check(blob: Descriptor, digest: string): void {
    if (digest !== blob.digest) throw this.#damaged(blob, `its digest is ${digest}`);
  }

  #damaged(blob: Descriptor, problem: string): WrennError {
    return new WrennError("image_damaged", { image: this.#image, blob: blob.digest, problem });
  }
}
