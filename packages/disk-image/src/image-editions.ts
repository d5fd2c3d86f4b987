import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "@wrenn/system";
import type { ArtifactStore } from "./artifact-store.ts";
import { imageKey } from "./boot-artifacts.ts";
import type { ImageEdition, ImageRecipe } from "./recipe.ts";

/** Artifacts of an earlier edition. */
export interface RetiredArtifacts {
  /** {@link BootFiles.hash}. */
  readonly hash: string;
  /** Keys of the artifacts; those that the present edition has too are left out. */
  readonly rootfs: string;
  readonly initramfs?: string;
  /** When it was replaced, ms since 1970. */
  readonly at: number;
}

/** What this machine knows of the editions of a recipe. */
export interface EditionRecord {
  /** The one that new capsules start from; undefined for the first image. */
  readonly edition?: ImageEdition;
  /** When the packages were last compared with Debian's, ms since 1970. */
  readonly checkedAt?: number;
  /** Earlier ones that may still be in the cache. */
  readonly retired: readonly RetiredArtifacts[];
}

/**
 * Which edition of a recipe is current, for every server that shares a cache. The record is in the cache: where that was emptied, the
 * next image is built from the packages of its day. Recipes that differ have records that differ, so that servers of two releases do
 * not disturb each other.
 */
export class ImageEditions {
  readonly #path: string;

  constructor(cacheDirectory: string, recipe: ImageRecipe) {
    this.#path = join(cacheDirectory, "editions", `${recipe.name}-${imageKey(recipe)}.json`);
  }

  /** A record that cannot be read is an empty one. */
  async read(): Promise<EditionRecord> {
    try {
      return JSON.parse(await readFile(this.#path, "utf8")) as EditionRecord;
    } catch {
      return { retired: [] };
    }
  }

  /** Readers see the old record or the new one. */
  async write(record: EditionRecord): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o755 });
    await writeFileAtomic(this.#path, `${JSON.stringify(record)}\n`, { mode: 0o644 });
  }
}

/**
 * Removes artifacts of editions that were replaced before `before` from the cache. What capsules and templates started from is stored
 * with them and stays.
 *
 * @param isFrozenOf - whether a directory of a frozen template belongs to the artifacts with this hash.
 * @returns those that are left.
 */
export async function removeRetired(
  store: ArtifactStore,
  retired: readonly RetiredArtifacts[],
  before: number,
  isFrozenOf: (directory: string, hash: string) => Promise<boolean>,
): Promise<readonly RetiredArtifacts[]> {
  const left: RetiredArtifacts[] = [];
  for (const one of retired) {
    if (one.at >= before) {
      left.push(one);
      continue;
    }
    for (const key of await store.list("frozen"))
      if (await isFrozenOf((await store.find("frozen", key)) ?? "", one.hash))
        await store.remove("frozen", key);
    await store.remove("rootfs", one.rootfs);
    if (one.initramfs !== undefined) await store.remove("initramfs", one.initramfs);
  }
  return left;
}
