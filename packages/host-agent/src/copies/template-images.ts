import { link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exists, sealFile, syncDirectory } from "@wrenn/system";
import type { FrozenTemplate } from "../templates/frozen-template.ts";

const IMAGE = "image";
const UNFINISHED = ".unfinished";

/**
 * Images below the disks of copied templates, one directory each, named by the digest of their content: templates that begin with the
 * same image share it. An image is kept for as long as something needs it.
 */
export class TemplateImages {
  readonly #directory: string;
  /** Images of copies under way, which no template names yet, and how many copies need each. */
  readonly #pins = new Map<string, number>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Removes what interrupted copies left. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o711 });
    for (const name of await readdir(this.#directory))
      if (name.endsWith(UNFINISHED)) await rm(join(this.#directory, name), { recursive: true, force: true });
  }

  /** The image is kept until the returned handle is disposed, and longer when a template names it by then. */
  pin(digest: string): Disposable {
    this.#pins.set(digest, (this.#pins.get(digest) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#pins.get(digest) ?? 1) - 1;
        if (left > 0) this.#pins.set(digest, left);
        else this.#pins.delete(digest);
      },
    };
  }

  async find(digest: string): Promise<string | undefined> {
    const path = this.#pathOf(digest);
    return (await exists(path)) ? path : undefined;
  }

  /** Gives an image of this host, which has this digest, a second name here. */
  async share(digest: string, image: string): Promise<void> {
    await this.stage(digest);
    try {
      await link(image, this.stagedPath(digest));
    } catch (error) {
      await this.discard(digest);
      throw error;
    }
    // Both names are of one file: its mode stays.
    await this.#complete(digest);
  }

  /** Where the content of an image is written to. */
  stagedPath(digest: string): string {
    return this.#pathOf(digest, UNFINISHED);
  }

  /** Makes room for an image, of which nothing is there afterwards. */
  async stage(digest: string): Promise<void> {
    await this.discard(digest);
    await mkdir(dirname(this.stagedPath(digest)), { mode: 0o755 });
  }

  /** What was written to the staged path becomes the image. */
  async keep(digest: string): Promise<void> {
    await sealFile(this.stagedPath(digest));
    await this.#complete(digest);
  }

  /** Removes what was staged. */
  async discard(digest: string): Promise<void> {
    await rm(dirname(this.#pathOf(digest, UNFINISHED)), { recursive: true, force: true });
  }

  /** Removes images that neither a template nor a copy needs. */
  async collect(used: readonly Pick<FrozenTemplate, "readable">[]): Promise<void> {
    const needed = new Set(used.flatMap(({ readable }) => readable));
    for (const name of await readdir(this.#directory)) {
      const directory = join(this.#directory, name);
      if (name.endsWith(UNFINISHED) || this.#pins.has(name) || needed.has(directory)) continue;
      await rm(directory, { recursive: true, force: true });
    }
  }

  async #complete(digest: string): Promise<void> {
    await rename(dirname(this.stagedPath(digest)), dirname(this.#pathOf(digest)));
    await syncDirectory(this.#directory);
  }

  #pathOf(digest: string, suffix = ""): string {
    return join(this.#directory, `${digest}${suffix}`, IMAGE);
  }
}
