import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KeyedQueue, WrennError } from "@wrenn/core";
import { exists, identifyProcess, isAlive, signalProcess } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import type {
  BootSpec,
  Hypervisor,
  Machine,
  MachineDeath,
  MachineSpec,
  MachineStall,
  RestoreSpec,
} from "../hypervisor.ts";

const IDENTITY = "fake/1";
const STATE = "fake device state\n";
/** How the files begin that real drivers lay over the memory (packages/memory-image/src/diff-file.ts). */
const DIFF_MAGIC = Buffer.from("WRENNDIF");
const POLL_MS = 5;
/** Name, in a machine's directory, of the fault that a test gives it. */
const FAULT = "fault";
/** Name of the file that says that the host agent stalled the machine. */
const STALLED = "stalled";

/** `disk_full`: its host has no room for what the guest writes. `broken`: its VMM cannot go on. */
export type FakeFault = "disk_full" | "broken";

/** Gives a fake machine a fault, or takes it away; it shows within moments. */
export async function setFakeFault(machine: Pick<Machine, "directory">, fault?: FakeFault): Promise<void> {
  const path = join(machine.directory, FAULT);
  await (fault === undefined ? rm(path, { force: true }) : writeFile(path, fault));
}

interface FakeRecord {
  readonly id: string;
  readonly process: ProcessIdentity;
  readonly disk: string;
}

/**
 * A hypervisor for tests of the layers above: a machine is the real guest agent as a process of this host, beside files that
 * stand for disk and memory. It passes the same contract suite as the real drivers.
 *
 * @param agentProgram - the built guest agent.
 * @param hasRoom - whether machines continue that have met a full disk, or that an earlier process stalled.
 */
export function createFakeHypervisor(
  agentProgram: string,
  hasRoom: () => Promise<boolean> = async () => true,
): Hypervisor {
  const start = async (spec: MachineSpec): Promise<Machine> => {
    await access(agentProgram).catch(() => {
      throw new WrennError("dependency_missing", { what: agentProgram });
    });
    await mkdir(spec.directory, { mode: 0o700 });
    const sockets = channelOf(spec.directory);
    const child = spawn(agentProgram, ["--listen", sockets.interactive, sockets.bulk, "--no-cgroup"], {
      detached: true,
      stdio: "ignore",
    });
    await once(child, "spawn");
    child.unref();
    while (!(await exists(sockets.bulk))) await pause();
    const process = await identifyProcess(child.pid ?? -1);
    if (!process) throw new WrennError("machine_start_failed", { problem: "the agent ended at once" });
    const record: FakeRecord = { id: spec.id, process, disk: spec.disk };
    await writeFile(join(spec.directory, "record.json"), JSON.stringify(record));
    return await FakeMachine.watch(spec.directory, record, hasRoom);
  };
  return {
    name: "fake",
    identity: async () => IDENTITY,
    guestClock: undefined,
    boot: async (spec: BootSpec, signal) => {
      signal.throwIfAborted();
      await requireFiles([spec.kernel, spec.initramfs, spec.disk]);
      if (spec.privateMemory) {
        await requireMemory(spec);
        return await start(spec);
      }
      const memory = await open(spec.memoryFile, "w");
      await memory.truncate(spec.memoryMib * 2 ** 20);
      await memory.write("frozen", 0);
      await memory.close();
      return await start(spec);
    },
    restore: async (spec: RestoreSpec, signal) => {
      signal.throwIfAborted();
      await requireFiles([spec.deviceState, spec.disk]);
      await requireMemory(spec);
      if ((await readFile(spec.deviceState, "utf8")) !== STATE)
        throw new WrennError("machine_start_failed", { problem: "the device state is damaged" });
      if (spec.memoryDiff !== undefined) await requireDiff(spec.memoryDiff);
      await spec.mayRun;
      const machine = await start(spec);
      spec.onLoading?.();
      if (spec.stopped === true) await machine.stop(signal);
      return machine;
    },
    adopt: async (directory) => {
      const text = await readFile(join(directory, "record.json"), "utf8").catch(() => undefined);
      if (text === undefined) return undefined;
      const record = JSON.parse(text) as FakeRecord;
      return (await isAlive(record.process))
        ? await FakeMachine.watch(directory, record, hasRoom)
        : undefined;
    },
    clear: async (_id, directory) => await rm(directory, { recursive: true, force: true }),
  };
}

class FakeMachine implements Machine {
  readonly id: string;
  readonly directory: string;
  readonly identity = IDENTITY;
  readonly process: ProcessIdentity;
  readonly guestChannel: Machine["guestChannel"];
  readonly death: Promise<MachineDeath>;
  #disk: string;
  #running = true;
  #asked = false;
  #watching = true;
  #broken = false;
  #stall: MachineStall | undefined;
  /** Where there is no room, and what ends that. */
  #full: { readonly path: string; readonly hasRoom: () => Promise<boolean> } | undefined;
  readonly #observers = new Set<(stall: MachineStall | undefined) => void>();

  readonly #turns = new KeyedQueue();
  readonly #hasRoom: () => Promise<boolean>;

  private constructor(directory: string, record: FakeRecord, hasRoom: () => Promise<boolean>) {
    this.#hasRoom = hasRoom;
    this.id = record.id;
    this.directory = directory;
    this.process = record.process;
    this.guestChannel = channelOf(directory);
    this.#disk = record.disk;
    this.death = this.#watch();
  }

  /** The machine in `directory`, whose fault, if it has one, is known. */
  static async watch(
    directory: string,
    record: FakeRecord,
    hasRoom: () => Promise<boolean>,
  ): Promise<FakeMachine> {
    const machine = new FakeMachine(directory, record, hasRoom);
    if (await exists(join(directory, STALLED))) machine.#full = { path: "the host's disk", hasRoom };
    await machine.#applyFault();
    return machine;
  }

  get stall(): MachineStall | undefined {
    return this.#stall;
  }

  onStall(observer: (stall: MachineStall | undefined) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  async stop(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#applyFault();
      this.#requireNoStall();
      await this.#signal("SIGSTOP");
      this.#running = false;
    });
  }

  async resume(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#requireAlive();
      this.#running = true;
      await this.#applyFault();
      if (!this.#stall) await this.#signal("SIGCONT");
    });
  }

  async stallUntil(path: string, hasRoom: () => Promise<boolean>): Promise<void> {
    await this.#inTurn(async () => {
      await this.#requireAlive();
      if (this.#stall || !this.#running) return;
      await writeFile(join(this.directory, STALLED), "");
      this.#full = { path, hasRoom };
      await this.#applyFault();
    });
  }

  async saveDeviceState(path: string): Promise<void> {
    await this.#requireStopped();
    await writeFile(path, STATE, { mode: 0o600 });
  }

  async switchDisk(path: string): Promise<void> {
    await this.#requireStopped();
    await access(path).catch(() => {
      throw new WrennError("operation_failed", {
        operation: "switching the disk",
        problem: `${path} does not exist`,
      });
    });
    this.#disk = path;
  }

  async resizeDisk(): Promise<void> {
    await this.#requireAlive();
  }

  async activeDisk(): Promise<string> {
    return this.#disk;
  }

  async memoryRegion(): Promise<never> {
    await this.#requireAlive();
    throw new WrennError("operation_failed", {
      operation: "finding the guest's memory",
      problem: "a fake machine has none",
    });
  }

  async destroy(): Promise<void> {
    this.#asked = true;
    while (await signalProcess(this.process, "SIGKILL")) await pause();
    await rm(this.directory, { recursive: true, force: true });
  }

  async release(): Promise<void> {
    this.#watching = false;
  }

  async #watch(): Promise<MachineDeath> {
    while (await isAlive(this.process)) {
      if (!this.#watching) await new Promise(() => {});
      await this.#applyFault();
      await pause();
    }
    if (this.#broken) return { kind: "crashed", detail: "the VMM gave up the machine" };
    return { kind: this.#asked ? "asked" : "crashed", detail: "the process is gone" };
  }

  /** Does to the machine what its fault does: a full disk holds it while it should run, a broken VMM ends it. */
  async #applyFault(): Promise<void> {
    const fault = await readFile(join(this.directory, FAULT), "utf8").catch(() => "");
    if (fault === "" && !this.#stall && !this.#full) return;
    if (fault === "disk_full") this.#full ??= { path: dirname(this.#disk), hasRoom: this.#hasRoom };
    else if (this.#stall && (await this.#full?.hasRoom())) {
      this.#full = undefined;
      await rm(join(this.directory, STALLED), { force: true });
    }
    if (!(await isAlive(this.process))) return;
    if (fault === "broken") {
      this.#broken = true;
      await signalProcess(this.process, "SIGKILL");
      return;
    }
    const isStalled = this.#running && this.#full !== undefined;
    if (isStalled === (this.#stall !== undefined)) return;
    process.kill(this.process.pid, isStalled ? "SIGSTOP" : "SIGCONT");
    this.#stall = isStalled && this.#full ? { reason: "disk_full", path: this.#full.path } : undefined;
    for (const observer of this.#observers) observer(this.#stall);
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    await this.#turns.run("state", work);
  }

  #requireNoStall(): void {
    if (this.#stall) throw new WrennError("disk_full", { path: this.#stall.path });
  }

  async #signal(name: "SIGSTOP" | "SIGCONT"): Promise<void> {
    if (!(await signalProcess(this.process, name))) throw this.#gone();
  }

  #gone(): WrennError {
    return new WrennError("machine_died", { problem: "the process is gone" });
  }

  async #requireAlive(): Promise<void> {
    if (!(await isAlive(this.process))) throw this.#gone();
  }

  async #requireStopped(): Promise<void> {
    await this.#requireAlive();
    this.#requireNoStall();
    if (this.#running)
      throw new WrennError("operation_failed", {
        operation: "freezing a machine",
        problem: "its CPUs are running",
      });
  }
}

function channelOf(directory: string): { readonly interactive: string; readonly bulk: string } {
  return { interactive: join(directory, "interactive.sock"), bulk: join(directory, "bulk.sock") };
}

async function requireFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (!(await exists(path)))
      throw new WrennError("machine_start_failed", { problem: `${path} does not exist` });
  }
}

async function requireMemory({
  memoryFile,
  memoryMib,
}: Pick<RestoreSpec, "memoryFile" | "memoryMib">): Promise<void> {
  await requireFiles([memoryFile]);
  if ((await stat(memoryFile)).size !== memoryMib * 2 ** 20)
    throw new WrennError("machine_start_failed", { problem: "the memory has another size" });
}

async function requireDiff(path: string): Promise<void> {
  await requireFiles([path]);
  if (!(await readFile(path)).subarray(0, DIFF_MAGIC.length).equals(DIFF_MAGIC))
    throw new WrennError("machine_start_failed", { problem: `${path} is no diff` });
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
