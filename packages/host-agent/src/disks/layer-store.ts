import { link, mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "@wrenn/core";
import { sealFile } from "@wrenn/system";

const SUFFIX = ".qcow2";

/**
 * Disk layers that never change again: what capsules, their generations and templates share. A layer is a hard link to an
 * overlay that was once written, so that freezing a disk copies nothing.
 */
export class LayerStore {
  readonly #directory: string;
  readonly #random: Random;
  /** Layers of operations under way, which no record names yet. */
  readonly #pinned = new Set<string>();

  constructor(directory: string, random: Random) {
    this.#directory = directory;
    this.#random = random;
  }

  /** Makes the directory, and removes layers that an earlier process had not finished when it was killed. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#directory))
      if (!name.endsWith(SUFFIX)) await rm(join(this.#directory, name), { force: true });
  }

  path(id: string): string {
    return join(this.#directory, `${id}${SUFFIX}`);
  }

  /**
   * Gives an overlay a second name as a layer. Its machine may still write it: {@link seal} it when that has ended. It is
   * kept until it is unpinned and no record names it.
   */
  async freeze(overlay: string): Promise<string> {
    const id = this.#random.uuid();
    this.#pinned.add(id);
    try {
      await link(overlay, this.path(id));
    } catch (error) {
      this.#pinned.delete(id);
      throw error;
    }
    return id;
  }

  /** From now on nobody writes the layer and every machine may read it. Idempotent. */
  async seal(id: string): Promise<void> {
    await sealFile(this.path(id));
  }

  /** Makes the bytes of a layer durable. */
  async sync(id: string): Promise<void> {
    const file = await open(this.path(id), "r");
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  /** A new layer's id and path, for content that is written by the caller. */
  reserve(): { readonly id: string; readonly path: string } {
    const id = this.#random.uuid();
    this.#pinned.add(id);
    return { id, path: this.path(id) };
  }

  /** A record names it now, or nobody needs it. */
  unpin(id: string): void {
    this.#pinned.delete(id);
  }

  /**
   * Removes every layer that is neither used nor pinned.
   *
   * @param listUsed - the layers that records name at the moment of the call.
   * @returns the ids of the removed layers.
   */
  async collect(listUsed: () => ReadonlySet<string>): Promise<readonly string[]> {
    const names = await readdir(this.#directory);
    // One moment for all of it: an operation names a layer in a record before it unpins it, and never the other way round.
    const used = listUsed();
    const unused = names
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length))
      .filter((id) => !used.has(id) && !this.#pinned.has(id));
    for (const id of unused) await rm(this.path(id), { force: true });
    return unused;
  }
}
