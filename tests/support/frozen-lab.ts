import { chmod, chown, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { GuestLink } from "@wrenn/guest";
import {
  decodeDiffIndex,
  diffDataOffset,
  directoryFiles,
  findDirtyPages,
  writeDiff,
} from "@wrenn/memory-image";
import type { Hypervisor, Machine, RestoreSpec, ServedMemory } from "@wrenn/vmm";
import { makeDisk, minimalArtifacts, qemu } from "./real-machines.ts";

export const page = 4096;
export const memoryMib = 256;

/** What a machine is restored from. */
export interface Frozen {
  readonly memoryFile: string;
  readonly memoryDiff?: string;
  readonly servedMemory?: ServedMemory;
  readonly stopped?: boolean;
  readonly mayRun?: Promise<void>;
  readonly onLoading?: () => void;
  readonly deviceState: string;
  readonly disk: string;
}

/** Real machines that are frozen and restored without a host agent; everything of them goes with {@link close}. */
export class FrozenLab {
  readonly uid: number;
  readonly directory: string;
  readonly signal = AbortSignal.timeout(10 * 60_000);
  readonly #hypervisor: Hypervisor;
  readonly #artifacts: Awaited<ReturnType<typeof minimalArtifacts>>;
  readonly #machines: Machine[] = [];
  #count = 0;

  private constructor(
    uid: number,
    directory: string,
    hypervisor: Hypervisor,
    artifacts: Awaited<ReturnType<typeof minimalArtifacts>>,
  ) {
    this.uid = uid;
    this.directory = directory;
    this.#hypervisor = hypervisor;
    this.#artifacts = artifacts;
  }

  static async open(uid: number, hypervisor?: Hypervisor): Promise<FrozenLab> {
    const directory = await mkdtemp("/tmp/wf-");
    await chmod(directory, 0o755);
    return new FrozenLab(uid, directory, hypervisor ?? (await qemu()), await minimalArtifacts());
  }

  /** Ends the machines that a test has left. */
  async endMachines(): Promise<void> {
    for (const machine of this.#machines.splice(0)) await machine.destroy();
  }

  async close(): Promise<void> {
    await this.endMachines();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Boots a machine until its guest answers and freezes it; by default, as this version does. */
  async template(hypervisor: Hypervisor = this.#hypervisor): Promise<Frozen> {
    const spec = await this.#specOn(this.#artifacts.rootfs);
    const name = this.name("base");
    const memoryFile = join(this.directory, `${name}.memory`);
    await writeFile(memoryFile, "");
    await chown(memoryFile, this.uid, this.uid);
    const { kernel, initramfs } = this.#artifacts;
    const machine = await hypervisor.boot({ ...spec, kernel, initramfs, memoryFile }, this.signal);
    this.#machines.push(machine);
    await this.answers(machine);
    await machine.stop(this.signal);
    const deviceState = join(this.directory, `${name}.state`);
    await machine.saveDeviceState(deviceState, this.signal);
    await machine.destroy();
    return { memoryFile, deviceState, disk: spec.disk };
  }

  async restore({ disk, ...files }: Frozen): Promise<Machine> {
    const machine = await this.#hypervisor.restore({ ...(await this.#specOn(disk)), ...files }, this.signal);
    this.#machines.push(machine);
    return machine;
  }

  /** Freezes a running machine as a diff against the base; it stays stopped and goes on, if at all, on a new disk. */
  async freeze(machine: Machine, base: Frozen): Promise<Frozen & { readonly memoryDiff: string }> {
    const { directory, signal } = this;
    await machine.stop(signal);
    const disk = await machine.activeDisk(signal);
    const name = this.name(machine.id);
    const next = join(dirname(disk), `${name}.qcow2`);
    await makeDisk(next, disk);
    await machine.switchDisk(next, signal);
    const deviceState = join(directory, `${name}.state`);
    await machine.saveDeviceState(deviceState, signal);
    const dirty = await findDirtyPages(await machine.memoryRegion(signal), signal);
    const file = await directoryFiles(directory).create(`${name}.diff`);
    await writeDiff(file, systemRandom.uuid(), dirty, signal);
    await file.close();
    const memoryDiff = join(directory, `${name}.diff`);
    // The machine's user reads both; the host agent keeps them in directories that only this user may enter.
    for (const path of [deviceState, memoryDiff]) await chmod(path, 0o644);
    return { memoryFile: base.memoryFile, memoryDiff, deviceState, disk };
  }

  /** The kernel release that the guest names. */
  async answers(machine: Machine): Promise<string> {
    const guest = await GuestLink.connect(
      {
        ...machine.guestChannel,
        clock: systemClock,
        logger: silentLogger,
        random: systemRandom,
        onActivity: () => {},
      },
      this.signal,
    );
    const { kernelRelease } = await guest.info(this.signal);
    await guest.detach();
    return kernelRelease;
  }

  name(prefix: string): string {
    return `${prefix}-${this.#count++}`;
  }

  async #specOn(backing: string): Promise<Omit<RestoreSpec, "memoryFile" | "deviceState">> {
    const { directory, uid } = this;
    const id = this.name(`frozen-${process.pid}`);
    const home = join(directory, id);
    await mkdir(home);
    const disk = join(home, "disk.qcow2");
    await makeDisk(disk, backing);
    const readable = [directory, dirname(this.#artifacts.rootfs)];
    return {
      id,
      directory: join(home, "run"),
      vcpus: 1,
      memoryMib,
      disk,
      diskMib: 5120,
      readable,
      uid,
      gid: uid,
    };
  }
}

/** The pages that a diff changes. */
export async function diffPages(path: string): Promise<Map<number, Buffer>> {
  const bytes = await readFile(path);
  const { pages, zeros } = decodeDiffIndex(bytes, path);
  const data = diffDataOffset(pages.length + zeros.length);
  const found = new Map(
    pages.map((number, at) => [number, bytes.subarray(data + at * page, data + (at + 1) * page)]),
  );
  for (const number of zeros) found.set(number, Buffer.alloc(page));
  return found;
}

/** Of the pages in `expected`, how many the stopped machine holds exactly. */
export async function heldBy(
  machine: Pick<Machine, "memoryRegion">,
  expected: ReadonlyMap<number, Buffer>,
  signal: AbortSignal,
): Promise<number> {
  let held = 0;
  for await (const { content, found } of compared(machine, expected, signal))
    if (found.equals(content)) held += 1;
  return held;
}

/** Per page in `expected`: how many of its bytes the stopped machine holds differently. */
export async function differingBytes(
  machine: Machine,
  expected: ReadonlyMap<number, Buffer>,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>();
  for await (const { number, content, found } of compared(machine, expected, signal))
    counts.set(number, found.filter((byte, at) => byte !== content[at]).length);
  return counts;
}

async function* compared(
  machine: Pick<Machine, "memoryRegion">,
  expected: ReadonlyMap<number, Buffer>,
  signal: AbortSignal,
): AsyncGenerator<{ readonly number: number; readonly content: Buffer; readonly found: Buffer }> {
  const { pid, address } = await machine.memoryRegion(signal);
  await using memory = await open(`/proc/${pid}/mem`);
  const found = Buffer.alloc(page);
  for (const [number, content] of expected) {
    await memory.read(found, 0, page, Number(address) + number * page);
    yield { number, content, found };
  }
}

/** Numbers of the pages that are the stopped machine's and not its memory file's. */
export async function anonymousPages(machine: Machine, signal: AbortSignal): Promise<ReadonlySet<number>> {
  const dirty = await findDirtyPages(await machine.memoryRegion(signal), signal);
  const numbers = new Set<number>();
  for await (const { firstPage, bytes } of dirty.runs(signal))
    for (let at = 0; at < bytes.length / page; at++) numbers.add(firstPage + at);
  return numbers;
}
