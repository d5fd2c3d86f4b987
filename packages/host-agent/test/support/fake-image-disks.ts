import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { abortable, systemClock, WrennError } from "@wrenn/core";
import type { BuildImageDisk, GuestKernel, ImageDisk } from "@wrenn/disk-image";
import { createImageImports } from "@wrenn/host-agent";
import type { DiskReserve, FoundImage, ImageImports } from "@wrenn/host-agent";
import type { ImageSettings } from "@wrenn/protocol";
import { PLAIN_SETTINGS } from "@wrenn/protocol/testing";

export const KERNEL: GuestKernel = { directory: "/kernel", key: "kernel", release: "6.1", modules: [] };

/** Disks of images that are records and no files. */
export class FakeImageDisks {
  readonly disks = new Map<string, ImageDisk<ImageSettings>>();
  readonly trims: { readonly most: number; readonly usedBefore: number }[] = [];
  /** Keys that the latest trim was told to keep, of those that exist. */
  kept: readonly string[] = [];
  readonly #scratch: string;

  constructor(scratch: string) {
    this.#scratch = scratch;
  }

  key(digest: string): string {
    return digest.slice("sha256:".length, "sha256:".length + 32);
  }

  async find(key: string): Promise<ImageDisk<ImageSettings> | undefined> {
    return this.disks.get(key);
  }

  async build(
    { digest, unpack, onTree }: BuildImageDisk<ImageSettings>,
    signal: AbortSignal,
  ): Promise<ImageDisk<ImageSettings>> {
    const { settings, ...image } = await unpack(this.#scratch);
    await onTree?.(1000);
    signal.throwIfAborted();
    const key = this.key(digest);
    const disk = {
      key,
      rootfs: "/rootfs",
      digest: image.digest,
      build: "1",
      kernelRelease: KERNEL.release,
      diskMib: 1024,
      sizeBytes: 1000,
      settings,
    };
    this.disks.set(key, disk);
    return disk;
  }

  async trim(most: number, usedBefore: number, isKept: (key: string) => boolean): Promise<void> {
    this.trims.push({ most, usedBefore });
    this.kept = [...this.disks.keys()].filter(isKept);
  }
}

export function digestOf(digit: string): string {
  return `sha256:${digit.repeat(64)}`;
}

/** Imports of two images, of which one cannot be downloaded to its end. */
export function fakeImages(
  scratch: string,
  reserve: DiskReserve,
): {
  readonly imports: ImageImports;
  readonly references: {
    readonly reference: string;
    readonly slowReference: string;
    readonly archive: Uint8Array;
  };
  has(template: string): boolean;
} {
  const references = {
    reference: "images.example/tool:1",
    slowReference: "images.example/slow:1",
    archive: Buffer.from("images.example/tool:1"),
  };
  const disks = new FakeImageDisks(scratch);
  const found = new Map<string, FoundImage>([
    [
      references.reference,
      {
        digest: digestOf("a"),
        pull: async () => ({ tree: scratch, digest: digestOf("b"), settings: PLAIN_SETTINGS }),
      },
    ],
    [
      references.slowReference,
      {
        digest: digestOf("c"),
        pull: async (_scratch, _report, signal) => await abortable(signal, new Promise<never>(() => {})),
      },
    ],
  ]);
  const find = (reference: string): FoundImage => {
    const image = found.get(reference);
    if (!image) throw new WrennError("image_not_found", { image: reference });
    return image;
  };
  return {
    imports: createImageImports({
      clock: systemClock,
      puller: {
        find: async ({ reference }) => find(reference),
        findInArchive: async ({ path }) => find(await readFile(path, "utf8")),
      },
      archives: join(scratch, "archives"),
      disks,
      kernel: async () => KERNEL,
      reserve,
      usualMib: 1024,
    }),
    references,
    has: (template) => [...disks.disks.keys()].some((key) => template === `image-${key}`),
  };
}
