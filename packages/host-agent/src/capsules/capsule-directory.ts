import { lstat, mkdir, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { hasCode, readFileIfPresent, writeFileAtomic } from "@wrenn/system";
import { generationFiles } from "../generations/generation.ts";
import type { GenerationFiles } from "../generations/generation.ts";
import type { CapsuleRecord, JournalEntry } from "./capsule-record.ts";

/** Repeated when a verification, which had found the directory before it was renamed, creates a file in it during the removal. */
const REMOVAL = { recursive: true, force: true, maxRetries: 5, retryDelay: 20 };

/** The durable side of one capsule: `capsule.json`, `journal.json`, `disk/`, `generations/`, and `run/` (the machine's own). */
export class CapsuleDirectory {
  /** What names of directories begin with that were made for machines of the pool. */
  static readonly pooled = "p-";

  readonly id: string;
  readonly path: string;
  readonly #link: string | undefined;

  /**
   * @param name The directory's own name, when it was made before the capsule: the machine in it knows it by that, and the
   *   capsule's id is a link to it.
   */
  constructor(root: string, id: string, name = id) {
    this.id = id;
    this.path = join(root, name);
    this.#link = name === id ? undefined : join(root, id);
  }

  /** The directory of a capsule that exists. */
  static async find(root: string, id: string): Promise<CapsuleDirectory> {
    const name = await readlink(join(root, id)).catch(() => id);
    return new CapsuleDirectory(root, id, name);
  }

  get disk(): string {
    return join(this.path, "disk");
  }

  /** Belongs to the hypervisor driver: sockets, process record, console. */
  get run(): string {
    return join(this.path, "run");
  }

  get generations(): string {
    return join(this.path, "generations");
  }

  /** Socket of the page server, while a machine's memory is brought in. The directory it is in is the page server's. */
  get pagesSocket(): string {
    return join(this.path, "pages", "machine.sock");
  }

  /** Tells the machine which pages are brought in. */
  get pagesRanges(): string {
    return join(this.path, "pages.ranges");
  }

  /** Pages that the last life from packed memory needed first. */
  get workingSet(): string {
    return join(this.path, "working-set");
  }

  /** Belongs to the machine that a template is frozen with, while one is made of the capsule's disk. */
  get freezing(): string {
    return join(this.path, "f");
  }

  /** Zeros, which the pages of a capsule lie over that was booted from its disk. */
  get emptyMemory(): string {
    return join(this.path, "empty-memory");
  }

  overlay(number: number): string {
    return join(this.disk, `${number}.qcow2`);
  }

  generation(id: string): GenerationFiles {
    return generationFiles(join(this.generations, id));
  }

  /**
   * Takes the place of a new capsule, which {@link remove} gives back. What lies there already belongs to another capsule, perhaps
   * one that could not be read at the start, and is left alone.
   *
   * @throws WrennError `capsule_busy`.
   */
  async claim(): Promise<void> {
    if (await isTaken(this.#link ?? this.path)) throw new WrennError("capsule_busy", { operation: "create" });
    if (this.#link === undefined) await mkdir(this.path, { mode: 0o700 });
  }

  /** Fills the place that was claimed. */
  async create(record: CapsuleRecord): Promise<void> {
    await mkdir(this.disk, { recursive: true, mode: 0o700 });
    await mkdir(this.generations, { mode: 0o700 });
    await this.writeRecord(record);
    if (this.#link !== undefined) await symlink(basename(this.path), this.#link);
  }

  /**
   * Writes the record. What a host that loses power has to find again, a capsule with generations, is made durable; the
   * record of one that would be gone with its machine survives our own crash and no more, which is several times quicker.
   */
  async writeRecord(record: CapsuleRecord): Promise<void> {
    const path = join(this.path, "capsule.json");
    const text = `${JSON.stringify(record, undefined, 2)}\n`;
    await writeFileAtomic(path, text, { durable: record.generations.length > 0 });
  }

  /** Writes down what is about to be done, so that it survives our own crash. After that of the host the record counts. */
  async writeJournal(entry: JournalEntry): Promise<void> {
    const path = join(this.path, "journal.json");
    await writeFileAtomic(path, `${JSON.stringify(entry)}\n`, { durable: false });
  }

  /** No operation is in flight. Without room for saying so the journal is removed, which says the same. */
  async clearJournal(at: number): Promise<void> {
    try {
      await this.writeJournal({ operation: "none", at });
    } catch {
      await rm(join(this.path, "journal.json"), { force: true });
    }
  }

  /** The record; undefined when creation did not come that far, or when the host lost power before it was on disk. */
  async readRecord(): Promise<CapsuleRecord | undefined> {
    try {
      return await readJson<CapsuleRecord>(join(this.path, "capsule.json"));
    } catch (error) {
      const generations = await readdir(this.generations).catch(() => []);
      if (generations.length > 0) throw error;
      return undefined;
    }
  }

  async readJournal(): Promise<JournalEntry | undefined> {
    return await readJson<JournalEntry>(join(this.path, "journal.json"));
  }

  /**
   * Removes overlays and generations that the record does not name: what interrupted operations left. A live machine knows
   * the disks below its own by the names under which it once wrote them, so those stay as long as it lives.
   */
  async tidy(record: CapsuleRecord): Promise<void> {
    for (const name of await readdir(this.disk)) {
      const number = Number.parseInt(name, 10);
      const needed = number === record.overlay || (record.state === "running" && number < record.overlay);
      if (!needed) await rm(join(this.disk, name), { force: true });
    }
    const known = new Set(record.generations.map(({ id }) => id));
    for (const { id, packed } of record.generations) {
      const files = this.generation(id);
      await rm(packed ? files.memoryDiff : files.memoryPacked, { force: true });
      await rm(`${files.memoryPacked}.new`, { force: true });
    }
    for (const name of await readdir(this.generations))
      if (!known.has(name)) await rm(join(this.generations, name), { recursive: true, force: true });
  }

  /** Removes the files of a generation that no record names any longer. */
  async removeGeneration(id: string): Promise<void> {
    const { directory } = this.generation(id);
    // Renamed first: a verification that is still running must not create a file in the directory that is being removed.
    await rename(directory, `${directory}.dropped`);
    await rm(`${directory}.dropped`, REMOVAL);
  }

  async remove(): Promise<void> {
    // Renamed first, as in removeGeneration: a file that is created meanwhile would keep its directory from being removed.
    await rename(this.generations, `${this.generations}.dropped`).catch((error: unknown) => {
      if (!hasCode(error, "ENOENT")) throw error;
    });
    await rm(this.path, REMOVAL);
    if (this.#link !== undefined) await rm(this.#link, { force: true });
  }

  /** Ids of every capsule that has a directory below `root`. */
  static async list(root: string): Promise<readonly string[]> {
    await mkdir(root, { recursive: true, mode: 0o711 });
    return (await readdir(root)).filter((name) => name.startsWith("cl-"));
  }

  /** Names of directories of the pool that have not become a capsule's. */
  static async listPooled(root: string): Promise<readonly string[]> {
    const names = await readdir(root);
    const taken = new Set<string>();
    for (const name of names) taken.add(await readlink(join(root, name)).catch(() => ""));
    return names.filter((name) => name.startsWith(CapsuleDirectory.pooled) && !taken.has(name));
  }
}

async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFileIfPresent(path);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

async function isTaken(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}
