import { chmod, copyFile, link, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { constants } from "node:fs";
import { basename, dirname, join } from "node:path";
import { KeyedQueue } from "@wrenn/core";
import { exists, hasCode, runCommand, sealFile, syncDirectory, writeFileAtomic } from "@wrenn/system";
import { frozenFiles } from "./frozen-template.ts";
import type { FrozenTemplate } from "./frozen-template.ts";

const RECORD = "template.json";
const ROOT = "root";
const UNFINISHED = ".unfinished";

/** Lets a disk begin with another file of the same content; the composition root knows how. */
export type RebaseDisk = (disk: string, image: string, signal: AbortSignal) => Promise<void>;

/**
 * Frozen templates that capsules of this host depend on for as long as they live, in the state directory: the cache that they
 * were made in may be emptied at any time. Large files are second names (hard links) of the cache's and take no space of
 * their own, unless the cache lies on another file system.
 */
export class TemplateBases {
  readonly #directory: string;
  readonly #rebaseDisk: RebaseDisk;
  readonly #queue = new KeyedQueue();

  constructor(directory: string, rebaseDisk: RebaseDisk) {
    this.#directory = directory;
    this.#rebaseDisk = rebaseDisk;
  }

  /**
   * The same template with all of its files below the state directory.
   *
   * @param image The file that the template's disk lies over.
   * @throws WrennError `command_failed`; system errors when files of the template are gone.
   */
  async keep(template: FrozenTemplate, image: string, signal: AbortSignal): Promise<FrozenTemplate> {
    return await this.#queue.run(template.hash, async () => {
      const final = join(this.#directory, template.hash);
      if (!(await exists(join(final, RECORD)))) await this.#build(template, image, final, signal);
      return JSON.parse(await readFile(join(final, RECORD), "utf8")) as FrozenTemplate;
    });
  }

  /** The files that disks of these templates lie over. */
  async images(): Promise<readonly string[]> {
    const images: string[] = [];
    for (const name of await listed(this.#directory)) {
      if (name.endsWith(UNFINISHED)) continue;
      const root = join(this.#directory, name, ROOT);
      for (const file of await listed(root)) if (!file.startsWith(".")) images.push(join(root, file));
    }
    return images;
  }

  /** Removes what no template in `used` needs. Call it while nothing is being kept. */
  async collect(used: Iterable<FrozenTemplate>): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o711 });
    const templates = [...used];
    for (const name of await readdir(this.#directory)) {
      const directory = join(this.#directory, name);
      if (!isNeeded(directory, templates)) await rm(directory, { recursive: true, force: true });
    }
  }

  /** Whether one of `used` is this template, or has files of it below its own. */
  isNeeded({ hash }: FrozenTemplate, used: readonly FrozenTemplate[]): boolean {
    return used.some((one) => one.hash === hash) || isNeeded(join(this.#directory, hash), used);
  }

  /** Removes the files of one template, unless another template needs them. Made again when it is asked for. */
  async remove({ hash }: FrozenTemplate, listUsed: () => readonly FrozenTemplate[]): Promise<void> {
    await this.#queue.run(hash, async () => {
      const directory = join(this.#directory, hash);
      if (!isNeeded(directory, listUsed())) await rm(directory, { recursive: true, force: true });
    });
  }

  async #build(template: FrozenTemplate, image: string, final: string, signal: AbortSignal): Promise<void> {
    const building = `${final}${UNFINISHED}`;
    await rm(building, { recursive: true, force: true });
    await mkdir(join(building, ROOT), { recursive: true, mode: 0o755 });
    const at = (name: keyof typeof frozenFiles, directory: string): string =>
      join(directory, frozenFiles[name]);
    try {
      await linkOrCopy(template.memoryFile, at("memory", building), signal);
      await linkOrCopy(template.deviceState, at("deviceState", building), signal);
      await linkOrCopy(image, join(building, ROOT, basename(image)), signal);
      // The disk names the image it lies over, so it is a file of its own; it holds what the boot wrote and no more.
      await copyFile(template.disk, at("disk", building), constants.COPYFILE_FICLONE);
      await chmod(at("disk", building), 0o600);
      await this.#rebaseDisk(at("disk", building), join(final, ROOT, basename(image)), signal);
      await sealFile(at("disk", building));
      const kept: FrozenTemplate = {
        ...template,
        memoryFile: at("memory", final),
        deviceState: at("deviceState", final),
        disk: at("disk", final),
        readable: [final, join(final, ROOT)],
      };
      await writeFileAtomic(join(building, RECORD), `${JSON.stringify(kept)}\n`);
      await rename(building, final);
      await syncDirectory(dirname(final));
    } catch (error) {
      await rm(building, { recursive: true, force: true });
      throw error;
    }
  }
}

/** Names in a directory; none when it is not there. */
async function listed(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

async function linkOrCopy(from: string, to: string, signal: AbortSignal): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!hasCode(error, "EXDEV", "EPERM", "EMLINK")) throw error;
    // Memory and images are mostly holes, which stay holes.
    await runCommand(["cp", "--reflink=auto", "--sparse=always", from, to], { signal });
    await sealFile(to);
  }
}

/** Whether a template has files in a directory, or its machines read there. */
function isNeeded(directory: string, used: readonly FrozenTemplate[]): boolean {
  return used
    .flatMap(({ memoryFile, deviceState, disk, readable }) => [memoryFile, deviceState, disk, ...readable])
    .some((path) => path === directory || path.startsWith(`${directory}/`));
}
