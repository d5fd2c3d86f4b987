import { WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { writeDiff } from "./diff-writer.ts";
import type { DirtyPages } from "./dirty-pages.ts";
import {
  diffName,
  generationSource,
  readHeader,
  verifyGeneration,
  writeDurable,
} from "./generation-files.ts";
import { encodeHeader } from "./header.ts";
import type { Header } from "./header.ts";
import { overlay, sourcesOf, wholeFile } from "./mapping.ts";
import { mergedPages } from "./merge.ts";
import type { PageSource } from "./page-source.ts";
import type { StoreFiles } from "./store-files.ts";

/** The immutable memory that a store's generations lie over. */
export interface BaseMemory {
  readonly id: string;
  /** Bytes. */
  readonly size: number;
}

/** What a dump's pages were compared with: everything since the base, or since the current generation. */
export type DumpOrigin = "base" | "current";

const currentName = "current";

/**
 * The generations of one memory in one directory: `<id>.diff` with pages, `<id>.header` with the mapping, and `current`
 * with the id of the generation that counts. Every file is complete and durable before `current` names it, and nothing
 * that `current` needs is ever removed. One store object at a time may own a directory; its commits do not overlap.
 */
export class GenerationStore {
  readonly #files: StoreFiles;
  readonly #base: BaseMemory;
  readonly #random: Random;
  #current: Header | undefined;
  readonly #verified = new Set<string>();

  private constructor(files: StoreFiles, base: BaseMemory, random: Random, current: Header | undefined) {
    this.#files = files;
    this.#base = base;
    this.#random = random;
    this.#current = current;
  }

  /**
   * Opens a directory as a crash may have left it. Unfinished files stay until {@link collect}.
   *
   * @throws WrennError `snapshot_corrupt` when the current generation cannot be read or belongs to another base.
   */
  static async open(files: StoreFiles, base: BaseMemory, random: Random): Promise<GenerationStore> {
    if (!(await files.list()).includes(currentName)) {
      return new GenerationStore(files, base, random, undefined);
    }
    const id = (await files.read(currentName, 0, 64)).toString("latin1").trim();
    if (!/^[0-9a-f-]{36}$/.test(id)) {
      throw new WrennError("snapshot_corrupt", { what: currentName, problem: "it names no generation" });
    }
    const header = await readHeader(files, id);
    if (header.base !== base.id || header.memorySize !== base.size) {
      throw new WrennError("snapshot_corrupt", { what: id, problem: "it belongs to another base" });
    }
    return new GenerationStore(files, base, random, header);
  }

  /** The generation that a resume uses; undefined while there is only the base. */
  get current(): Header | undefined {
    return this.#current;
  }

  /** Files that the current mapping reads besides the base. A long chain asks for {@link merge}. */
  get chainLength(): number {
    const ids = sourcesOf(this.#mapping());
    ids.delete(this.#base.id);
    return ids.size;
  }

  /**
   * Writes a dump as the new current generation and switches to it durably. On failure the old one stays current.
   *
   * @throws WrennError of the dump; an error of the file system.
   */
  async commit(dirty: DirtyPages, origin: DumpOrigin, signal: AbortSignal): Promise<Header> {
    if (dirty.memorySize !== this.#base.size) {
      throw new WrennError("snapshot_corrupt", { what: "dump", problem: "its size is not the base's" });
    }
    const under = origin === "base" ? wholeFile(this.#base.id, this.#base.size) : this.#mapping();
    const header = await this.#write(dirty, under, signal);
    await this.#switchTo(header);
    return header;
  }

  /**
   * Rewrites the whole chain as one generation over the base, beside the running capsule. A commit that comes between
   * wins: the merged file is then left for {@link collect}.
   *
   * @returns whether the merged generation became current.
   */
  async merge(base: PageSource, signal: AbortSignal): Promise<boolean> {
    const before = this.#current;
    if (before === undefined) return false;
    const pages = mergedPages(before.mapping, this.#base, this.#sources(before.mapping, base));
    const header = await this.#write(pages, wholeFile(this.#base.id, this.#base.size), signal);
    await this.verify(header.id, signal);
    signal.throwIfAborted();
    if (this.#current !== before) return false;
    await this.#switchTo(header);
    return true;
  }

  /**
   * Checks one generation's file against its checksums. Meant for the background: it reads the whole file.
   *
   * @throws WrennError `snapshot_corrupt` naming the group of pages that is wrong.
   */
  async verify(id: string, signal: AbortSignal): Promise<void> {
    await verifyGeneration(this.#files, id, signal);
    this.#verified.add(id);
  }

  /**
   * Removes files that neither the current generation nor a dependant needs, after everything that stays was verified.
   * Must not run beside a commit or merge of the same store.
   *
   * @param dependants Headers of other capsules and snapshots that read this directory's files.
   * @throws WrennError `snapshot_corrupt` with nothing removed.
   */
  async collect(dependants: Iterable<Header>, signal: AbortSignal): Promise<readonly string[]> {
    const needed = this.#needed(this.#current);
    for (const dependant of dependants) for (const id of this.#needed(dependant)) needed.add(id);
    const present = await this.#files.list();
    for (const id of needed) {
      if (present.includes(diffName(id)) && !this.#verified.has(id)) await this.verify(id, signal);
    }
    const removed: string[] = [];
    for (const name of present) {
      const [id = "", kind] = name.split(".", 2);
      const ours = name.endsWith(".tmp") || kind === "diff" || kind === "header";
      if (!ours || (needed.has(id) && !name.endsWith(".tmp"))) continue;
      await this.#files.remove(name);
      removed.push(name);
    }
    if (removed.length > 0) await this.#files.syncDirectory();
    return removed;
  }

  /** The current memory, for reading. */
  source(base: PageSource): {
    readonly mapping: Header["mapping"];
    readonly sources: Map<string, PageSource>;
  } {
    return { mapping: this.#mapping(), sources: this.#sources(this.#mapping(), base) };
  }

  #mapping(): Header["mapping"] {
    return this.#current?.mapping ?? wholeFile(this.#base.id, this.#base.size);
  }

  #needed(header: Header | undefined): Set<string> {
    if (header === undefined) return new Set();
    const ids = sourcesOf(header.mapping);
    ids.delete(this.#base.id);
    return ids.add(header.id);
  }

  #sources(mapping: Header["mapping"], base: PageSource): Map<string, PageSource> {
    const sources = new Map<string, PageSource>();
    for (const id of sourcesOf(mapping))
      sources.set(id, id === this.#base.id ? base : generationSource(this.#files, id));
    return sources;
  }

  async #write(dirty: DirtyPages, under: Header["mapping"], signal: AbortSignal): Promise<Header> {
    const id = this.#random.uuid();
    const file = await this.#files.create(`${id}.diff.tmp`);
    let written;
    try {
      written = await writeDiff(file, id, dirty, signal);
      await file.sync();
    } finally {
      await file.close();
    }
    const header: Header = {
      id,
      base: this.#base.id,
      parent: this.#current?.id ?? this.#base.id,
      position: (this.#current?.position ?? 0) + 1,
      memorySize: this.#base.size,
      mapping: overlay(under, written.extents),
      checksums: written.checksums,
    };
    await this.#files.rename(`${id}.diff.tmp`, diffName(id));
    await writeDurable(this.#files, `${id}.header`, encodeHeader(header));
    // The names must be durable before `current` can point at them.
    await this.#files.syncDirectory();
    signal.throwIfAborted();
    return header;
  }

  async #switchTo(header: Header): Promise<void> {
    await writeDurable(this.#files, currentName, Buffer.from(`${header.id}\n`));
    // From the rename on a reader may see the new generation, so the old one is no longer what this store serves.
    this.#current = header;
    await this.#files.syncDirectory();
  }
}
