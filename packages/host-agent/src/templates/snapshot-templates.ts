import { copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { defined, WrennError } from "@wrenn/core";
import { sealFile, syncDirectory, writeFileAtomic } from "@wrenn/system";
import type { GenerationFiles } from "../generations/generation.ts";
import type { StepJournal } from "../steps.ts";
import { allocatedBytes } from "../disks/disks.ts";
import type { FlattenDisk } from "../disks/disks.ts";
import type { ProcessDefaults } from "../capsules/process-defaults.ts";
import { frozenFiles } from "./frozen-template.ts";
import type { FrozenTemplate } from "./frozen-template.ts";

const RECORD = "template.json";
const UNFINISHED = ".unfinished";
const ARRIVING = `.arriving${UNFINISHED}`;

/** How memory and disk of a capsule become files of their own; the composition root knows. */
export interface SnapshotFiles {
  /** Writes base memory with changed pages over it to `target`. */
  readonly mergeMemory: (base: string, diff: string, target: string, signal: AbortSignal) => Promise<void>;
  readonly flattenDisk: FlattenDisk;
}

/** A moment of a capsule of `template`. */
export type SnapshotSource = SnapshotSettings & (FrozenMoment | DiskMoment);

interface SnapshotSettings {
  readonly template: Pick<FrozenTemplate, "shape" | "readable" | "memoryFile">;
  /** Images between the template and the disk. */
  readonly layers: readonly string[];
  readonly diskMib: number;
  /** What processes of its capsules start with. */
  readonly defaults: ProcessDefaults;
}

/** Memory, device state and disk. */
export interface FrozenMoment {
  /** What its capsule was started from. */
  readonly metadata: FrozenTemplate["metadata"];
  readonly files: GenerationFiles;
  /** What the changed pages lie over, and the counter that its guest was booted with. */
  readonly memory: Pick<FrozenTemplate, "memoryFile" | "clockKhz">;
  /** Identity of the hypervisor that saved the device state. */
  readonly hypervisor: string;
  /** The disk of that moment. */
  readonly disk: string;
}

/** A disk alone: the template is a machine that was booted from it. */
export interface DiskMoment {
  /** See `FrozenTemplate`. */
  readonly ownPrograms: boolean;
  /** Fills a directory with a frozen machine: memory, device state and a disk over the capsule's. */
  readonly freeze: (directory: string, signal: AbortSignal) => Promise<FrozenDisk>;
}

export interface FrozenDisk extends Pick<FrozenTemplate, "clockKhz" | "metadata"> {
  readonly hypervisor: string;
}

type MadeTemplate = Pick<FrozenTemplate, "frozenProcesses" | "ownPrograms" | "metadata" | "clockKhz"> & {
  readonly hypervisor: string;
};

/** A template whose files have arrived from another host. */
export interface AdoptedTemplate extends Omit<
  FrozenTemplate,
  "memoryFile" | "deviceState" | "disk" | "sizeBytes" | "readable"
> {
  /** Directory of the image that its disk lies on. */
  readonly imageDirectory: string;
}

/** Templates that were made of capsules, one directory each. They depend on nothing but the image they began with. */
export class SnapshotTemplates {
  readonly #directory: string;
  readonly #files: SnapshotFiles;
  readonly #templates = new Map<string, FrozenTemplate>();
  /** Keys of templates that are being made. */
  readonly #building = new Set<string>();

  constructor(directory: string, files: SnapshotFiles) {
    this.#directory = directory;
    this.#files = files;
  }

  /** Reads what is there and removes what an interrupted creation left. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#directory)) {
      const directory = join(this.#directory, name);
      if (name.endsWith(UNFINISHED)) await rm(directory, { recursive: true, force: true });
      else {
        const text = await readFile(join(directory, RECORD), "utf8");
        this.#templates.set(name, JSON.parse(text) as FrozenTemplate);
      }
    }
  }

  list(): readonly FrozenTemplate[] {
    return [...this.#templates.values()];
  }

  get(key: string): FrozenTemplate | undefined {
    return this.#templates.get(key);
  }

  /** @throws WrennError `operation_failed` when the key is taken; `disk_full`, `command_failed`. */
  async create(
    key: string,
    source: SnapshotSource,
    step: StepJournal<"snapshot">,
    signal: AbortSignal,
  ): Promise<FrozenTemplate> {
    if (this.#templates.has(key) || this.#building.has(key)) throw taken(key);
    const final = join(this.#directory, key);
    const building = `${final}${UNFINISHED}`;
    this.#building.add(key);
    try {
      await rm(building, { recursive: true, force: true });
      await mkdir(building, { mode: 0o700 });
      const made =
        "freeze" in source
          ? await this.#fillFromDisk(building, source, step, signal)
          : await this.#fillFromMoment(building, source, step, signal);
      for (const path of filesIn(building)) await sealFile(path);
      const template: FrozenTemplate = {
        name: key,
        shape: source.template.shape,
        hash: key,
        ...(await this.#placed(key, building)),
        readable: [
          join(final, frozenFiles.disk),
          ...source.template.readable.filter((path) => path !== dirname(source.template.memoryFile)),
        ],
        diskMib: source.diskMib,
        defaults: source.defaults,
        ...made,
      };
      await writeFileAtomic(join(building, RECORD), `${JSON.stringify(template)}\n`);
      await step("commit");
      await rename(building, final);
      this.#templates.set(key, template);
      return template;
    } catch (error) {
      await rm(building, { recursive: true, force: true });
      throw error;
    } finally {
      this.#building.delete(key);
    }
  }

  /** Makes an empty directory for the files of a template that arrive from another host. */
  async stage(key: string): Promise<string> {
    const directory = join(this.#directory, `${key}${ARRIVING}`);
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { mode: 0o700 });
    return directory;
  }

  /** A short path for the machine of a template that is being frozen; one at a time has a key. */
  machineDirectory(key: string): string {
    return join(this.#directory, `m-${key.slice(-12)}${UNFINISHED}`);
  }

  /** What was staged becomes a template. @throws WrennError `operation_failed` when the key is taken. */
  async adopt(staged: string, { imageDirectory, ...arrived }: AdoptedTemplate): Promise<FrozenTemplate> {
    const { name: key } = arrived;
    if (this.#templates.has(key) || this.#building.has(key)) throw taken(key);
    const final = join(this.#directory, key);
    const template: FrozenTemplate = {
      ...arrived,
      ...(await this.#placed(key, staged)),
      readable: [join(final, frozenFiles.disk), imageDirectory],
    };
    await writeFileAtomic(join(staged, RECORD), `${JSON.stringify(template)}\n`);
    await rename(staged, final);
    await syncDirectory(this.#directory);
    this.#templates.set(key, template);
    return template;
  }

  /** Where the files of a template will be, and what they take where they are now. */
  async #placed(
    key: string,
    present: string,
  ): Promise<Pick<FrozenTemplate, "memoryFile" | "deviceState" | "disk" | "sizeBytes">> {
    const [memoryFile, deviceState, disk] = filesIn(join(this.#directory, key));
    return { memoryFile, deviceState, disk, sizeBytes: await allocatedBytes(filesIn(present)) };
  }

  async #fillFromMoment(
    building: string,
    { metadata, files, memory, disk, hypervisor, layers, template }: SnapshotSettings & FrozenMoment,
    step: StepJournal<"snapshot">,
    signal: AbortSignal,
  ): Promise<MadeTemplate> {
    await step("memory");
    const target = join(building, frozenFiles.memory);
    await this.#files.mergeMemory(memory.memoryFile, files.memoryDiff, target, signal);
    await step("device-state");
    await copyFile(files.deviceState, join(building, frozenFiles.deviceState));
    await step("disk");
    const readable = [...template.readable, ...layers];
    await this.#files.flattenDisk({ path: disk, readable }, join(building, frozenFiles.disk), signal);
    return {
      frozenProcesses: true,
      hypervisor,
      metadata,
      ...defined({ clockKhz: memory.clockKhz }),
    };
  }

  async #fillFromDisk(
    building: string,
    { freeze, ownPrograms, layers, template }: SnapshotSettings & DiskMoment,
    step: StepJournal<"snapshot">,
    signal: AbortSignal,
  ): Promise<MadeTemplate> {
    await step("memory");
    const frozen = await freeze(building, signal);
    await step("device-state");
    const disk = join(building, frozenFiles.disk);
    await step("disk");
    const readable = [...template.readable, ...layers];
    await this.#files.flattenDisk({ path: disk, readable }, `${disk}${UNFINISHED}`, signal);
    await rename(`${disk}${UNFINISHED}`, disk);
    return { frozenProcesses: false, ...(ownPrograms ? { ownPrograms } : {}), ...frozen };
  }

  /** Removes a template; one that is not there is fine. */
  async remove(key: string): Promise<void> {
    if (!this.#templates.delete(key)) return;
    await rm(join(this.#directory, key), { recursive: true, force: true });
  }
}

/** Memory, device state and disk. */
function filesIn(directory: string): readonly [string, string, string] {
  const { memory, deviceState, disk } = frozenFiles;
  return [join(directory, memory), join(directory, deviceState), join(directory, disk)];
}

function taken(key: string): WrennError {
  return new WrennError("operation_failed", { operation: `making template ${key}`, problem: "it exists" });
}
