import { readFile, stat } from "node:fs/promises";
import { defined } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import {
  buildBootArtifacts,
  createArtifactStore,
  findBootArtifacts,
  findBootKernel,
  guestKernel,
  ImageEditions,
  removeRetired,
} from "@wrenn/disk-image";
import type { ArtifactStore, BootFiles, GuestKernel, ImageEdition, ImageRecipe } from "@wrenn/disk-image";
import { bootTemplate, isFrozenOf } from "@wrenn/host-agent";
import type { BootTemplateDeps, HostAgentDeps, TemplateRecipe } from "@wrenn/host-agent";
import { frozenCache } from "./frozen-cache.ts";
import { minimalRecipe, nativeParts } from "./native-parts.ts";

/** Kernels in the cache, of about 60 MiB: disks of earlier editions boot with theirs. */
const CACHED_KERNELS = 8;
/** Images in the cache, of about 280 MiB: those of other releases, and of refreshes that were interrupted. */
const CACHED_IMAGES = 8;
/** Other servers of this machine take over a new edition within this time. */
const RETIRE_MS = 10 * 60_000;
const DEFAULT_SHAPE = { vcpus: 1, memoryMib: 512 };

/** The recipe of the built-in template. */
export async function readMinimalRecipe(): Promise<ImageRecipe> {
  return JSON.parse(await readFile(minimalRecipe, "utf8")) as ImageRecipe;
}

export interface BuiltInTemplateDeps extends Omit<BootTemplateDeps, "artifacts" | "findBuilt" | "buildOnce"> {
  readonly logger: Logger;
}

export interface BuiltInTemplateOptions {
  readonly cacheDirectory: string;
  /** Default: the current one of the cache. */
  readonly edition?: ImageEdition;
}

/** The template that this host makes from Debian's packages, in the edition that new capsules start from. */
export class BuiltInTemplate {
  readonly recipe: TemplateRecipe;
  readonly diskMib: number;
  /** What machines boot with: the kernel with this release, or that of the edition. */
  readonly bootFiles: HostAgentDeps["machines"]["bootFiles"];
  /** The kernel of the edition that new capsules start from. */
  readonly kernel: (signal: AbortSignal) => Promise<GuestKernel>;
  readonly #deps: BuiltInTemplateDeps;
  readonly #store: ArtifactStore;
  readonly #image: ImageRecipe;
  readonly #editions: ImageEditions;
  #edition: ImageEdition | undefined;

  private constructor(
    deps: BuiltInTemplateDeps,
    cacheDirectory: string,
    image: ImageRecipe,
    editions: ImageEditions,
    edition: ImageEdition | undefined,
  ) {
    this.#deps = deps;
    this.#image = image;
    this.#store = createArtifactStore(cacheDirectory, deps.logger);
    this.#editions = editions;
    this.#edition = edition;
    this.diskMib = image.diskMib;
    this.recipe = {
      name: image.name,
      defaultShape: DEFAULT_SHAPE,
      freeze: async (shape, signal) => await this.#recipeOf(this.#edition).freeze(shape, signal),
      identity: async (signal) =>
        `${await deps.machines.hypervisor.identity(signal)} ${this.#edition?.id ?? ""}`,
    };
    this.bootFiles = async (signal, release) => {
      const earlier =
        release === undefined ? undefined : await findBootKernel(this.#common(), release, signal);
      return earlier ?? (await this.#artifacts(this.#edition, signal));
    };
    this.kernel = async (signal) =>
      await guestKernel(
        { ...this.#common(), progress: deps.progress, ...defined({ edition: this.#edition }) },
        signal,
      );
  }

  static async open(
    deps: BuiltInTemplateDeps,
    { cacheDirectory, edition }: BuiltInTemplateOptions,
  ): Promise<BuiltInTemplate> {
    const image = await readMinimalRecipe();
    const editions = new ImageEditions(cacheDirectory, image);
    const current = edition ?? (await editions.read()).edition;
    return new BuiltInTemplate(deps, cacheDirectory, image, editions, current);
  }

  /**
   * Takes over the current edition of the cache, once its machine of the default size is frozen: creates do not wait for it.
   *
   * @returns whether it is another one than before.
   */
  async follow(signal: AbortSignal): Promise<boolean> {
    const { edition } = await this.#editions.read();
    // Where the cache was emptied, the edition that is there goes on.
    if (edition === undefined || edition.id === this.#edition?.id) return false;
    await this.#recipeOf(edition).freeze(DEFAULT_SHAPE, signal);
    this.#edition = edition;
    return true;
  }

  /** When its packages were last compared with Debian's, or else when its image was built; ms since 1970. */
  async checkedAt(): Promise<number> {
    const { checkedAt, edition } = await this.#editions.read();
    if (checkedAt !== undefined) return checkedAt;
    const image = await findBootArtifacts({ ...this.#common(), ...defined({ edition }) });
    return image ? (await stat(image.rootfs)).mtimeMs : this.#deps.clock.now();
  }

  /** Removes artifacts from the cache that no server of this machine starts capsules from. */
  async removeRetired(): Promise<void> {
    const { retired } = await this.#editions.read();
    if (retired.length === 0) return;
    await removeRetired(this.#store, retired, this.#deps.clock.now() - RETIRE_MS, isFrozenOf);
    await this.#store.trim("kernel", CACHED_KERNELS);
    await this.#store.trim("modules", CACHED_KERNELS);
    await this.#store.trim("rootfs", CACHED_IMAGES);
  }

  #recipeOf(edition: ImageEdition | undefined): TemplateRecipe {
    const { name, diskMib } = this.#image;
    return bootTemplate(
      {
        ...this.#deps,
        artifacts: async (signal) => await this.#artifacts(edition, signal),
        ...frozenCache(this.#store),
      },
      { name, defaultShape: DEFAULT_SHAPE, diskMib, ownPrograms: true },
    );
  }

  async #artifacts(edition: ImageEdition | undefined, signal: AbortSignal): Promise<BootFiles> {
    return await buildBootArtifacts(
      { ...this.#common(), progress: this.#deps.progress, ...defined({ edition }) },
      signal,
    );
  }

  #common() {
    return { store: this.#store, recipe: this.#image, guestAgent: nativeParts.guestAgent };
  }
}
