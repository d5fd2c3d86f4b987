import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import {
  createArtifactStore,
  findBootArtifacts,
  ImageEditions,
  listDefinitions,
  makeContext,
  PackageDownloads,
  PackageIndex,
  readDefinition,
  resolveTemplate,
} from "@wrenn/disk-image";
import type { TemplateInputs } from "@wrenn/disk-image";
import { defined } from "@wrenn/core";
import { tryLock } from "@wrenn/system";
import { readMinimalRecipe } from "../built-in-template.ts";
import { readImageStatus } from "../image-status.ts";
import { builtInDefinitions, nativeParts } from "../native-parts.ts";

export interface BuiltInContextsDeps {
  readonly logger: Logger;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
}

export interface BuiltInContextsOptions {
  readonly cacheDirectory: string;
  /** Directory with recipes and sets of packages; default: those of this release. For tests, which have templates of their own. */
  readonly definitions?: string | undefined;
  /** Lines of a sources.list; default: those of the host. For tests, which serve packages of their own. */
  readonly sources?: readonly string[] | undefined;
}

/** A directory that the recipe of a built-in template is built with. Its disposal removes it. */
export interface BuiltInContext extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes what capsules without a network cannot: directories with everything that the recipes of built-in templates install, from Debian's
 * packages and npm's. One process of a machine has it at a time; its disposal lets the next one in.
 */
export class BuiltInContexts implements AsyncDisposable {
  readonly #definitions: string;
  readonly #directory: string;
  readonly #npmDirectory: string;
  readonly #image: string;
  readonly #downloads: PackageDownloads;
  readonly #progress: BuiltInContextsDeps["progress"];
  readonly #lock: AsyncDisposable;

  private constructor(parts: {
    readonly definitions: string;
    readonly directory: string;
    readonly npmDirectory: string;
    readonly image: string;
    readonly downloads: PackageDownloads;
    readonly progress: BuiltInContextsDeps["progress"];
    readonly lock: AsyncDisposable;
  }) {
    this.#definitions = parts.definitions;
    this.#directory = parts.directory;
    this.#npmDirectory = parts.npmDirectory;
    this.#image = parts.image;
    this.#downloads = parts.downloads;
    this.#progress = parts.progress;
    this.#lock = parts.lock;
  }

  /** Names of the templates that can be built, sorted. */
  static async names(definitions: string = builtInDefinitions): Promise<readonly string[]> {
    return await listDefinitions(definitions);
  }

  /**
   * Fetches Debian's lists of packages, and reads what the image of this machine has.
   *
   * @throws WrennError `template_builds_already`, `dependency_missing` where the image was never built, `package_index_unavailable`.
   */
  static async open(
    { logger, progress }: BuiltInContextsDeps,
    { cacheDirectory, definitions = builtInDefinitions, sources }: BuiltInContextsOptions,
    signal: AbortSignal,
  ): Promise<BuiltInContexts> {
    const directory = join(cacheDirectory, "apt", "built-in");
    await mkdir(directory, { recursive: true, mode: 0o755 });
    await using opened = new AsyncDisposableStack();
    const lock = await tryLock(`${directory}.lock`);
    if (!lock) throw new WrennError("template_builds_already", {});
    opened.use(lock);
    // What a killed process left.
    await rm(join(directory, "contexts"), { recursive: true, force: true });
    const recipe = await readMinimalRecipe();
    const { edition } = await new ImageEditions(cacheDirectory, recipe).read();
    const store = createArtifactStore(cacheDirectory, logger);
    const { guestAgent } = nativeParts;
    const image = await findBootArtifacts({ store, recipe, guestAgent, ...defined({ edition }) });
    if (!image)
      throw new WrennError("dependency_missing", {
        what: `the image of the template ${recipe.name}, which a server with capsules of its own builds at its first start`,
      });
    progress({ step: "fetch Debian's lists of packages" });
    const index = await PackageIndex.fetch(
      { directory, suite: recipe.suite, ...defined({ sources }) },
      signal,
    );
    const status = await readImageStatus(image.rootfs, signal);
    const owned = opened.move();
    return new BuiltInContexts({
      definitions,
      directory,
      npmDirectory: join(cacheDirectory, "npm"),
      image: image.hash,
      downloads: new PackageDownloads({ index, directory, status }),
      progress,
      lock: owned,
    });
  }

  /**
   * What a template would be made of now; nothing is downloaded.
   *
   * @throws WrennError `built_in_unknown`, `package_index_unavailable`.
   */
  async resolve(name: string, signal: AbortSignal): Promise<TemplateInputs> {
    const definition = await readDefinition(this.#definitions, name);
    return await resolveTemplate(definition, { downloads: this.#downloads, image: this.#image }, signal);
  }

  /**
   * Downloads that, and makes the directory that the recipe is built with.
   *
   * @throws WrennError `package_index_unavailable`, `npm_package_unavailable`, `command_failed`; the signal's reason. Then nothing is
   *   left but complete downloads.
   */
  async make(resolved: TemplateInputs, signal: AbortSignal): Promise<BuiltInContext> {
    const parent = join(this.#directory, "contexts");
    await mkdir(parent, { recursive: true });
    const path = await mkdtemp(join(parent, `${resolved.definition.name}-`));
    const remove = async (): Promise<void> => await rm(path, { recursive: true, force: true });
    const options = {
      downloads: this.#downloads,
      npmDirectory: this.#npmDirectory,
      directory: path,
      progress: this.#progress,
    };
    try {
      await makeContext(resolved, options, signal);
    } catch (error) {
      await remove();
      throw error;
    }
    return { path, [Symbol.asyncDispose]: remove };
  }

  /** Removes downloaded Debian packages: templates have what they need. */
  async clear(): Promise<void> {
    await this.#downloads.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock[Symbol.asyncDispose]();
  }
}
