import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "@wrenn/system";
import type { CapsuleRecord, JournalEntry } from "./capsule-record.ts";

/** The durable side of one capsule: `capsule.json`, `journal.json`, `disk/`, and `run/` (the machine's own directory). */
export class CapsuleDirectory {
  readonly path: string;

  constructor(root: string, id: string) {
    this.path = join(root, id);
  }

  get disk(): string {
    return join(this.path, "disk");
  }

  /** Belongs to the hypervisor driver: sockets, process record, console log. */
  get run(): string {
    return join(this.path, "run");
  }

  async create(record: CapsuleRecord): Promise<void> {
    await mkdir(this.disk, { recursive: true, mode: 0o700 });
    await this.writeRecord(record);
  }

  async writeRecord(record: CapsuleRecord): Promise<void> {
    await writeFileAtomic(join(this.path, "capsule.json"), `${JSON.stringify(record, undefined, 2)}\n`);
  }

  /** Writes down what is about to be done; returns once that survives a crash. */
  async writeJournal(entry: JournalEntry): Promise<void> {
    await writeFileAtomic(join(this.path, "journal.json"), `${JSON.stringify(entry)}\n`);
  }

  /** The record, or undefined when creation did not come that far. */
  async readRecord(): Promise<CapsuleRecord | undefined> {
    return await readJson<CapsuleRecord>(join(this.path, "capsule.json"));
  }

  async readJournal(): Promise<JournalEntry | undefined> {
    return await readJson<JournalEntry>(join(this.path, "journal.json"));
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  /** Ids of every capsule that has a directory below `root`. */
  static async list(root: string): Promise<readonly string[]> {
    await mkdir(root, { recursive: true, mode: 0o700 });
    return (await readdir(root)).filter((name) => name.startsWith("cl-"));
  }
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
