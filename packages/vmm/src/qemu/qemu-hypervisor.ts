import { access, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { abortable, defined, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { isAlive, tryCommand, writeFileAtomic } from "@wrenn/system";
import type { RunProgram } from "@wrenn/system";
import type { BootSpec, Hypervisor, Machine, MachineSpec, RestoreSpec } from "../hypervisor.ts";
import { openCgroups } from "../jail/cgroups.ts";
import type { Cgroups } from "../jail/cgroups.ts";
import type { JailedProgram } from "../jail/jailed-program.ts";
import { startJailed } from "../jail/start-jailed.ts";
import { SystemTrees } from "../jail/system-tree.ts";
import type { MachineZygote } from "../zygote/machine-zygote.ts";
import { commandLine, machineDescriptors, machineFiles } from "./command-line.ts";
import type { AcceleratorSettings } from "./command-line.ts";
import { lastConsoleLine } from "./console-tail.ts";
import { loadDeviceState } from "./device-state.ts";
import { frozenTscKhz } from "./frozen-tsc.ts";
import { createQemuIdentity, identityOfProcess } from "./qemu-identity.ts";
import { QemuMachine } from "./qemu-machine.ts";
import type { MachineRecord } from "./qemu-machine.ts";
import { chooseQemu } from "./qemu-program.ts";
import type { QemuProgram } from "./qemu-program.ts";
import { qemuSystem } from "./qemu-system.ts";
import { QmpClient } from "./qmp-client.ts";
import { hasTimerChip } from "./timer-chip.ts";

/** What QEMU needs beside the guest's memory: itself, translated code, device buffers. */
const OVERHEAD_MIB = 256;
/** QEMU's threads: main, one per CPU, I/O workers. */
const PROCESS_LIMIT = 256;
/** Tables of a small disk, which do not shrink with it. */
const FILE_MARGIN_MIB = 64;
/** Name in the cache's directory. */
const SYSTEMS = "machine-systems";
/** Longest path of a unix socket (unix(7)). */
const SOCKET_PATH_LIMIT = 107;

export type QemuOptions = AcceleratorSettings & {
  readonly logger: Logger;
  /** Program of native/jail. */
  readonly jail: string;
  /** Library of native/mmap-shim. */
  readonly shim: string;
  /** Where copies are kept of QEMU and what it needs, which is all that machines see of the host's programs. */
  readonly cacheDirectory: string;
  /** Whether machines continue that have met a full disk, or that an earlier process stalled. */
  readonly hasRoom: () => Promise<boolean>;
  /** Runs the jail; without it, this process starts it. */
  readonly run?: RunProgram;
  /** Forks machines; without it, and where it cannot, they are executed. */
  readonly zygote?: Pick<MachineZygote, "fork">;
  /** The QEMU to start; by default, one of Debian's. */
  readonly qemu?: string | QemuProgram;
  /** Test seam: machines are booted with a PC's timer chip, as earlier versions did. */
  readonly timerChip?: true;
};

/** What is found out or made for each machine before it starts. */
interface MachineParts {
  readonly groups: readonly string[];
  readonly timerChip: boolean;
  readonly system: string;
}

/** Machines of QEMU's microvm type, each in a jail of its own. */
export async function createQemuHypervisor(options: QemuOptions): Promise<Hypervisor> {
  const [program, cgroups] = await Promise.all([options.qemu ?? chooseQemu(options), openCgroups()]);
  const { path: qemu, ownFilter } =
    typeof program === "string" ? { path: program, ownFilter: true } : program;
  const presentIdentity = createQemuIdentity(qemu, options);
  const systems = new SystemTrees(join(options.cacheDirectory, SYSTEMS), options.run);
  await systems.removeStale();
  // The first machine does not wait for it. What is missing is reported by each machine that needs it.
  await systems.of(qemuSystem(qemu)).catch(() => {});

  const launch = async (
    spec: BootSpec | RestoreSpec,
    signal: AbortSignal,
    ready: (qmp: QmpClient) => Promise<void>,
  ): Promise<Machine> => {
    signal.throwIfAborted();
    await requireFile(qemu);
    const [identity, system] = await Promise.all([presentIdentity(), systems.of(qemuSystem(qemu))]);
    await using release = new AsyncDisposableStack();
    release.defer(() => rm(spec.directory, { recursive: true, force: true }));
    release.defer(() => cgroups.remove(spec.id));
    const [groups, prepared, timerChip] = await Promise.allSettled([
      cgroups.create(spec.id, {
        memoryBytes: (spec.memoryMib + OVERHEAD_MIB) * 2 ** 20,
        processes: PROCESS_LIMIT,
        cpu: spec.vcpus + 0.25,
        ...("background" in spec ? defined({ background: spec.background }) : {}),
      }),
      prepareDirectory(spec),
      "kernel" in spec ? options.timerChip === true : hasTimerChip(spec.deviceState),
    ]);
    if (prepared.status === "rejected") throw prepared.reason;
    if (groups.status === "rejected") throw groups.reason;
    if (timerChip.status === "rejected") throw timerChip.reason;
    const parts = { groups: groups.value, timerChip: timerChip.value, system };
    const process = await start(spec, parts, signal);
    release.defer(() => endProcess(process.pid));
    const record = {
      id: spec.id,
      uid: spec.uid,
      memoryFile: spec.memoryFile,
      memoryMib: spec.memoryMib,
      disk: spec.disk,
      process,
      identity,
    };
    // For a process of ours that starts while the machine lives; a host that loses power has no machine for it to name.
    await writeFileAtomic(join(spec.directory, machineFiles.record), JSON.stringify(record), {
      durable: false,
    });
    const qmp = await withLastWords(
      spec.directory,
      QmpClient.connect(join(spec.directory, machineFiles.qmp), { uid: spec.uid, process }, signal),
    );
    release.defer(() => qmp.close());
    const machine = new QemuMachine(spec.directory, record, qmp, cgroups, options.hasRoom);
    if ("background" in spec && spec.background) machine.beginInBackground();
    await withLastWords(spec.directory, ready(qmp));
    // One that is restored runs only now, and everything that QEMU reports of it was heard.
    if ("kernel" in spec) await machine.inspect(signal);
    release.move();
    return machine;
  };

  const start = async (
    spec: BootSpec | RestoreSpec,
    parts: MachineParts,
    signal: AbortSignal,
  ): ReturnType<typeof startJailed> => {
    const program = jailedProgram(spec, parts);
    const forked = (await options.zygote?.fork(program)) ?? "unused";
    if (typeof forked === "object") return forked;
    if (forked === "abandoned") {
      // What is left of the attempt writes nothing into a directory that is gone.
      await rm(spec.directory, { recursive: true, force: true });
      await prepareDirectory(spec);
    }
    return await startJailed(program, options.run ?? tryCommand, signal);
  };

  const jailedProgram = (
    spec: BootSpec | RestoreSpec,
    { groups, timerChip, system }: MachineParts,
  ): JailedProgram => {
    const boots = "kernel" in spec;
    const mapsPrivately = !boots || spec.privateMemory === true;
    return {
      jail: options.jail,
      directory: spec.directory,
      uid: spec.uid,
      gid: spec.gid,
      cgroups: groups,
      ...defined({ namespace: spec.network?.namespace }),
      readable: [
        ...spec.readable,
        ...(boots ? [spec.kernel, spec.initramfs] : []),
        ...(mapsPrivately ? memoryFiles(spec) : []),
      ],
      libraries: mapsPrivately ? [options.shim] : [],
      writable: mapsPrivately ? [] : [spec.memoryFile],
      descriptors: machineDescriptors(spec),
      devices: [
        "/dev/null",
        "/dev/zero",
        "/dev/urandom",
        ...(spec.network ? ["/dev/net/tun"] : []),
        // The right to a descriptor that answers faults of the kernel too, without any privilege.
        ...(!boots && spec.servedMemory ? ["/dev/userfaultfd"] : []),
        ...(options.accelerator === "kvm" ? ["/dev/kvm"] : []),
      ],
      fileMib: largestFileMib(spec),
      filter: options.accelerator === "kvm" ? "kvm" : "emulated",
      system,
      environment: mapsPrivately ? shimEnvironment(options.shim, spec) : {},
      program: [qemu, ...commandLine(spec, options, timerChip, ownFilter)],
    };
  };

  const explained = async (spec: MachineSpec, work: Promise<Machine>): Promise<Machine> => {
    try {
      return await work;
    } catch (error) {
      if (
        error instanceof WrennError &&
        error.reason !== "operation_failed" &&
        error.reason !== "command_failed" &&
        error.reason !== "machine_died"
      )
        throw error;
      options.logger.warn("machine.start_failed", { machine: spec.id, problem: problemOf(error) });
      throw new WrennError("machine_start_failed", { problem: problemOf(error) }, { cause: error });
    }
  };

  return {
    name: `qemu-${options.accelerator}`,
    identity: (signal) => abortable(signal, presentIdentity()),
    guestClock: options.accelerator === "tcg" ? { khz: options.tscKhz, frozenKhz: frozenTscKhz } : undefined,
    boot: (spec, signal) =>
      explained(
        spec,
        launch(spec, signal, async () => {}),
      ),
    restore: (spec, signal) =>
      explained(
        spec,
        launch(spec, signal, async (qmp) => {
          spec.onLoading?.();
          if (spec.mayRun) await abortable(signal, spec.mayRun);
          await loadDeviceState(qmp, spec.deviceState, signal);
          if (spec.stopped !== true) await qmp.execute("cont", undefined, signal);
        }),
      ),
    adopt: (directory, signal) => adopt(directory, cgroups, options.hasRoom, signal),
    clear: async (id, directory) => {
      await cgroups.end(id);
      await cgroups.remove(id);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function adopt(
  directory: string,
  cgroups: Cgroups,
  hasRoom: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<Machine | undefined> {
  const record = await readRecord(join(directory, machineFiles.record));
  if (!record || !(await isAlive(record.process))) return undefined;
  const { uid, process } = record;
  const qmp = await QmpClient.connect(join(directory, machineFiles.qmp), { uid, process }, signal);
  await using release = new AsyncDisposableStack();
  // QEMU serves one connection at a time: one that stayed open would keep the next attempt out.
  release.defer(() => qmp.close());
  const identity = record.identity ?? (await identityOfProcess(record.process.pid, qmp, signal));
  const machine = new QemuMachine(directory, { ...record, identity }, qmp, cgroups, hasRoom);
  await machine.inspect(signal);
  release.move();
  return machine;
}

/** The record of a machine; undefined without one, or when it did not reach the disk before a power loss that ended the machine. */
async function readRecord(path: string): Promise<MachineRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as MachineRecord;
  } catch {
    return undefined;
  }
}

async function prepareDirectory(spec: MachineSpec): Promise<void> {
  // The kernel's limit for the path of a unix socket, with room for the longest name.
  if (spec.directory.length + machineFiles.interactive.length + 1 > SOCKET_PATH_LIMIT) {
    throw new WrennError("machine_start_failed", {
      problem: `the path ${spec.directory} is too long for a socket in it`,
    });
  }
  await mkdir(spec.directory, { mode: 0o700 });
}

type PrivateMemory = Pick<RestoreSpec, "memoryFile" | "memoryDiff" | "servedMemory">;

function memoryFiles({ memoryFile, memoryDiff, servedMemory }: PrivateMemory): readonly string[] {
  return [
    memoryFile,
    ...(memoryDiff === undefined ? [] : [memoryDiff]),
    ...(servedMemory ? [servedMemory.socket, servedMemory.ranges] : []),
  ];
}

/** What native/mmap-shim reads. */
function shimEnvironment(
  shim: string,
  { memoryFile, memoryDiff, servedMemory }: PrivateMemory,
): Record<string, string> {
  return {
    LD_PRELOAD: shim,
    WRENN_SHIM_MEMORY: memoryFile,
    ...defined({ WRENN_SHIM_DIFF: memoryDiff }),
    ...(servedMemory
      ? { WRENN_SHIM_PAGES: servedMemory.socket, WRENN_SHIM_RANGES: servedMemory.ranges }
      : {}),
  };
}

/** The disk with its tables, or the memory file of a boot: nothing that a machine writes is larger. */
function largestFileMib({ diskMib, memoryMib }: MachineSpec): number {
  return Math.max(diskMib + Math.ceil(diskMib / 64), memoryMib) + FILE_MARGIN_MIB;
}

/** When QEMU dies, what it printed last says more than the closed socket. */
async function withLastWords<T>(directory: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const words = WrennError.is(error, "machine_died") ? await lastConsoleLine(directory) : "";
    throw words === "" ? error : new WrennError("machine_start_failed", { problem: words }, { cause: error });
  }
}

async function requireFile(path: string): Promise<void> {
  await access(path).catch(() => {
    throw new WrennError("dependency_missing", { what: path });
  });
}

async function endProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself, which is what is wanted.
  }
}
