import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import type { ArtifactStore } from "./artifact-store.ts";
import type { GuestKernel } from "./boot-artifacts.ts";
import { makeExt4 } from "./ext4.ts";
import { indexedModules } from "./indexed-modules.ts";
import { prepareTree } from "./prepare-tree.ts";
import { measureTree, sizeFor } from "./tree-size.ts";

/** Bumped when the way disks are made of images changes, so that old ones are not mistaken for new. */
const BUILD_VERSION = 1;
const KIND = "image";
const ROOTFS = "rootfs.ext4";
const RECORD = "settings.json";
const SCRATCH = "scratch";

/** A disk that was made of an image, and what is known of the image. */
export interface ImageDisk<Settings> extends ImageDiskRecord<Settings> {
  /** Names image, kernel and way of building. */
  readonly key: string;
  /** Raw image with the root file system. */
  readonly rootfs: string;
}

interface ImageDiskRecord<Settings> {
  /** Of the manifest of this platform: `sha256:…`. */
  readonly digest: string;
  /** Different for each disk that is made, also where it has the same key: files may lie elsewhere on it. */
  readonly build: string;
  /** Release of the kernel whose modules it has. */
  readonly kernelRelease: string;
  readonly diskMib: number;
  /** What the files of the image occupy. */
  readonly sizeBytes: number;
  /** What the image says of its programs. */
  readonly settings: Settings;
}

/** The file tree of an image on this machine, below the directory that it was asked for in. */
export interface ImageTree<Settings> {
  readonly tree: string;
  /** Of the manifest of this platform: `sha256:…`. */
  readonly digest: string;
  readonly settings: Settings;
}

export interface BuildImageDisk<Settings> {
  /** Of the manifest of this platform: `sha256:…`. */
  readonly digest: string;
  readonly kernel: Pick<GuestKernel, "key" | "release" | "loadable">;
  /** Size of its disk in MiB, unless the image needs more. */
  readonly usualMib: number;
  /** Fills an empty directory, which is removed afterwards. */
  readonly unpack: (scratch: string) => Promise<ImageTree<Settings>>;
  /** Called with the size of the tree before it is written to the disk; may refuse it. */
  readonly onTree?: (bytes: number) => Promise<void>;
}

/** Disks of images in the cache. Each is made once, however many processes ask for it, and begins to exist when it is complete. */
export class ImageDisks<Settings> {
  readonly #store: ArtifactStore;
  readonly #random: Random;

  constructor(store: ArtifactStore, random: Random) {
    this.#store = store;
    this.#random = random;
  }

  /** Names the disk of an image for a kernel. */
  key(digest: string, kernel: Pick<GuestKernel, "key">): string {
    const parts = [digest, String(BUILD_VERSION), kernel.key];
    return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
  }

  /** The disk with this key, which counts as used from now on; undefined when it was not made or was removed. */
  async find(key: string): Promise<ImageDisk<Settings> | undefined> {
    const directory = await this.#store.use(KIND, key);
    return directory === undefined ? undefined : await this.#read(key, directory);
  }

  /**
   * Makes the disk of an image, or finds it.
   *
   * @throws WrennError what `unpack` and `onTree` throw; `command_failed`, `dependency_missing`.
   */
  async build(
    { digest, kernel, usualMib, unpack, onTree }: BuildImageDisk<Settings>,
    signal: AbortSignal,
  ): Promise<ImageDisk<Settings>> {
    const key = this.key(digest, kernel);
    const modules = await indexedModules(this.#store, kernel, signal);
    const directory = await this.#store.buildOnce(
      KIND,
      key,
      async (building) => {
        const scratch = join(building, SCRATCH);
        await mkdir(scratch, { mode: 0o700 });
        const { tree, ...image } = await unpack(scratch);
        const size = await measureTree(tree, signal);
        await onTree?.(size.bytes);
        await prepareTree(tree, modules);
        const disk = sizeFor(size, usualMib);
        await makeExt4(tree, join(building, ROOTFS), disk, signal);
        await rm(scratch, { recursive: true });
        const record: ImageDiskRecord<Settings> = {
          ...image,
          build: randomHex(this.#random, 16),
          kernelRelease: kernel.release,
          diskMib: disk.sizeMib,
          sizeBytes: size.bytes,
        };
        await writeFile(join(building, RECORD), JSON.stringify(record));
      },
      signal,
    );
    return await this.#read(key, directory);
  }

  /**
   * Removes the disks that were used longest ago, beyond `most`. Capsules have files of their own (hard links) and lose nothing.
   *
   * @param isKept - whether a disk stays all the same.
   * @param usedBefore - ms since 1970; what was used later stays.
   */
  async trim(most: number, usedBefore: number, isKept: (key: string) => boolean): Promise<void> {
    await this.#store.trim(KIND, most, { usedBefore, isKept });
  }

  async #read(key: string, directory: string): Promise<ImageDisk<Settings>> {
    const record = JSON.parse(await readFile(join(directory, RECORD), "utf8")) as ImageDiskRecord<Settings>;
    return { ...record, key, rootfs: join(directory, ROOTFS) };
  }
}
