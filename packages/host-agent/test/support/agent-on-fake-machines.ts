import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defined, newId, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { GuestLink } from "@wrenn/guest";
import type { GuestLinkOptions } from "@wrenn/guest";
import {
  createHostAgent,
  createTemplateStore,
  DiskReserve,
  LayerStore,
  MomentCache,
  SnapshotTemplates,
  TemplateBases,
  TemplateImages,
} from "@wrenn/host-agent";
import type {
  DiskSpace,
  FrozenTemplate,
  HostAgentDeps,
  RunningHostAgent,
  Shape,
  StepObserver,
} from "@wrenn/host-agent";
import { parsePolicy } from "@wrenn/network";
import type { Slot, SlotOwner } from "@wrenn/network";
import type { CapsuleSpec, HostFacts } from "@wrenn/protocol";
import type { ContractSubject } from "@wrenn/protocol/testing";
import { createFakeHypervisor } from "@wrenn/vmm";
import type { Hypervisor, Machine } from "@wrenn/vmm";
import { fakeImages } from "./fake-image-disks.ts";

const guestAgent = join(import.meta.dirname, "../../../../native/guest-agent/build/wrenn-guest-agent");
/** How the files begin that lie over frozen memory. */
const EMPTY_DIFF = "WRENNDIF";
export const RESERVE_BYTES: number = 2 ** 30;
const SHAPE = { vcpus: 1, memoryMib: 64 };
const DISK_MIB = 1024;

const facts: HostFacts = {
  version: "0.0.0",
  architecture: "amd64",
  cpuCores: 2,
  memoryMib: 1024,
  diskGb: 1,
  accelerator: "none",
};

export interface AgentOnFakeMachinesOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly onStep?: StepObserver;
  /** Sees each machine before the host agent does, and may replace its methods. */
  readonly onMachine?: (machine: Machine) => void;
  /** Sees each link to a guest before the host agent does, and may replace its methods. */
  readonly onGuest?: (link: GuestLink, machine: Pick<Machine, "guestChannel">) => void;
  readonly onSlotRelease?: (slot: Slot) => void;
  /** Sees the capsules whose connections to ports are ended, since their machine is gone. */
  readonly onConnectionsEnd?: (capsuleId: string) => void;
  /** Sees whose a slot is from then on, as far as that is said. */
  readonly onOwner?: (number: number, owner: SlotOwner) => void;
  /** Makes one disk of a chain of them; a copy by default. */
  readonly flatten?: HostAgentDeps["disks"]["flatten"];
  /** Room on the host's disk, of which {@link RESERVE_BYTES} are kept; plenty by default. */
  readonly space?: () => DiskSpace;
  /** What capsules occupy; what they do by default. */
  readonly measureStorage?: NonNullable<HostAgentDeps["measureStorage"]>;
  /** How long machines have waited for a processor; as they did by default. */
  readonly runDelays?: NonNullable<HostAgentDeps["runDelays"]>;
  /** What moments that are kept may take; no limit by default. */
  readonly momentBytes?: number;
  /** How many machines wait for capsules; none by default. */
  readonly warmMachines?: number;
  /** How many machines of paused capsules are kept; none by default. */
  readonly parkedMachines?: number;
  /** Memory of the host that is free; none by default, of 1 GiB. */
  readonly freeMemoryMib?: () => number;
  /** Identity of the hypervisor; that of all fake ones by default. */
  readonly identity?: string;
  /** What an earlier host agent left, with `leave`. */
  readonly root?: string;
}

/** The real host agent; its machines are guest agents on this machine, which share its files, users and network. */
export interface AgentOnFakeMachines {
  readonly agent: RunningHostAgent;
  readonly template: string;
  /** An empty directory. */
  readonly directory: string;
  readonly image: ContractSubject["image"];
  /** Everything that the host agent stores. */
  readonly root: string;
  readonly layers: LayerStore;
  /** Directory of a capsule's machine. */
  machineDirectory(id: string): string;
  close(): Promise<void>;
}

export async function startAgentOnFakeMachines(
  options: AgentOnFakeMachinesOptions = {},
): Promise<AgentOnFakeMachines> {
  // Sockets are below it, and their paths are short.
  const root = options.root ?? (await mkdtemp("/tmp/wa-"));
  const at = (name: string): string => join(root, name);
  const directory = at("files");
  await mkdir(directory, { recursive: true });
  const reserve = new DiskReserve(
    { readSpace: async () => options.space?.() ?? { totalBytes: 1e15, freeBytes: 1e15 } },
    { path: root, reserveBytes: RESERVE_BYTES },
  );
  const hasRoom = async (): Promise<boolean> => (await reserve.freeBytes()) >= reserve.continueAbove;
  const hypervisor = watched(
    createFakeHypervisor(guestAgent, hasRoom),
    options.onMachine ?? ((): void => {}),
    options.identity,
  );
  const layers = new LayerStore(at("layers"), systemRandom);
  const snapshots = new SnapshotTemplates(at("templates"), {
    mergeMemory: (memory, _diff, target) => copyFile(memory, target),
    flattenDisk: ({ path }, target) => copyFile(path, target),
  });
  const freeze = (shape: Shape, signal: AbortSignal): Promise<FrozenTemplate> =>
    freezeOn(hypervisor, at("frozen"), shape, signal);
  const images = fakeImages(at("images"), reserve);
  const agent = createHostAgent(
    {
      clock: options.clock ?? systemClock,
      logger: options.logger ?? silentLogger,
      random: systemRandom,
      machines: {
        hypervisor,
        slots: fakeSlots(options.onSlotRelease ?? ((): void => {}), options.onOwner ?? ((): void => {})),
        bootFiles: async () => ({
          kernel: join(at("frozen"), "kernel"),
          initramfs: join(at("frozen"), "initramfs"),
        }),
        connectGuest: async (machine, onActivity, signal) => {
          const link = await connectGuest(machine, onActivity, signal);
          options.onGuest?.(link, machine);
          return link;
        },
        openGuest: (machine, onActivity) => {
          const link = harmless(GuestLink.open(linkOptions(machine, onActivity)));
          options.onGuest?.(link, machine);
          return link;
        },
      },
      disks: {
        create: (disk) => writeFile(disk.path, "disk"),
        flatten: options.flatten ?? (({ path }, target) => copyFile(path, target)),
        layers,
        reserve,
      },
      memory: {
        save: async (_machine, path) => {
          await writeFile(path, EMPTY_DIFF);
          return EMPTY_DIFF.length;
        },
        packed: { pack: unused, unpack: unused, serve: unused },
      },
      templates: {
        source: createTemplateStore([{ name: "minimal", defaultShape: SHAPE, freeze }], snapshots, {
          findRecipe: async (name) =>
            images.has(name)
              ? {
                  name,
                  defaultShape: SHAPE,
                  freeze: async (shape, signal) => ({ ...(await freeze(shape, signal)), name }),
                }
              : undefined,
        }),
        snapshots,
        bases: new TemplateBases(at("bases"), async () => {}),
      },
      moments: new MomentCache({
        directory: at("moments"),
        layers,
        clock: systemClock,
        maxBytes: options.momentBytes ?? 1e12,
      }),
      images: images.imports,
      copyFiles: {
        images: new TemplateImages(at("template-images")),
        mapFile: async (path) => [{ start: 0, length: (await stat(path)).size }],
        // Disks are texts here, and name the image that they lie on unless it is that of all templates of this host.
        readOverlay: async (path) => ({
          backing: { path: /^disk on (.+)$/.exec(await readFile(path, "utf8"))?.[1] ?? at("frozen/disk") },
          sizeBytes: DISK_MIB * 2 ** 20,
        }),
        rebaseDisk: (path, image) => writeFile(path, `disk on ${image}`),
      },
      connections: {
        inUse: () => false,
        drain: async () => {},
        end: options.onConnectionsEnd ?? ((): void => {}),
        reset: () => {},
      },
      host: {
        facts,
        freeMemoryMib: options.freeMemoryMib ?? (() => 0),
        cpuIdleMs: () => 0,
        sweep: async () => [],
      },
      ...defined({
        onStep: options.onStep,
        measureStorage: options.measureStorage,
        runDelays: options.runDelays,
      }),
    },
    {
      capsulesDirectory: at("capsules"),
      ...defined({ parkedMachines: options.parkedMachines, warmMachines: options.warmMachines }),
    },
  );
  await agent.recover(AbortSignal.timeout(60_000));
  return {
    agent,
    template: "minimal",
    directory,
    image: images.references,
    root,
    layers,
    machineDirectory: (id) => join(at("capsules"), id, "run"),
    close: async () => {
      await agent.close("destroy");
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** A capsule of the template, which is not paused when it is idle. */
export function specOf(template: string, id: string = newId("capsule", systemRandom)): CapsuleSpec {
  return { id, template, ...SHAPE, diskMib: DISK_MIB, timeoutSec: 0, envs: {} };
}

const unused = (): Promise<never> => Promise.reject(new Error("memory is not packed here"));

const linkOptions = (machine: Pick<Machine, "guestChannel">, onActivity: () => void): GuestLinkOptions => ({
  ...machine.guestChannel,
  clock: systemClock,
  logger: silentLogger,
  random: systemRandom,
  onActivity,
});

/** A hypervisor that shows each of its machines to `onMachine`. */
function watched(
  hypervisor: Hypervisor,
  onMachine: (machine: Machine) => void,
  identity?: string,
): Hypervisor {
  const show = <M extends Machine | undefined>(machine: M): M => {
    if (machine) onMachine(machine);
    return machine;
  };
  return {
    ...hypervisor,
    ...(identity === undefined ? {} : { identity: async () => identity }),
    boot: async (...request) => show(await hypervisor.boot(...request)),
    restore: async (...request) => show(await hypervisor.restore(...request)),
    adopt: async (...request) => show(await hypervisor.adopt(...request)),
  };
}

async function connectGuest(
  machine: Pick<Machine, "guestChannel">,
  onActivity: () => void,
  signal: AbortSignal,
): Promise<GuestLink> {
  return harmless(await GuestLink.connect(linkOptions(machine, onActivity), signal));
}

/** A link that leaves the clock, the names and the processes of this machine alone. */
function harmless(link: GuestLink): GuestLink {
  const configure = link.configure.bind(link);
  return Object.assign(link, {
    configure: async (settings: Parameters<typeof configure>[0], inner: AbortSignal) => {
      const { environment } = settings;
      return await configure(environment ? { environment } : {}, inner);
    },
    quiesce: async () => {},
  });
}

/** Slots that lead to this machine's loopback interface. */
function fakeSlots(onRelease: (slot: Slot) => void, onOwner: (number: number, owner: SlotOwner) => void) {
  let last = 0;
  const slot = (number: number): Slot => ({
    number,
    namespace: "/proc/self/ns/net",
    tap: "tap0",
    mac: "02:fc:00:00:00:05",
    guestAddress: "127.0.0.1",
    gateway: "127.0.0.1",
    hostAddress: "127.0.0.1",
    uid: 0,
    pageServerUid: 70_000 + number,
  });
  return {
    acquire: async (): Promise<Slot> => slot(++last),
    applyPolicy: async (_slot: Slot, policy: Parameters<typeof parsePolicy>[0]): Promise<void> => {
      parsePolicy(policy);
    },
    assignCapsule: ({ number }: Slot, capsule: string): void => onOwner(number, { capsule }),
    assignTeam: async ({ number }: Slot, team: string): Promise<void> => onOwner(number, { team }),
    decisions: async () => [],
    adopt: (number: number, owner: SlotOwner = {}): Slot => {
      onOwner(number, owner);
      return slot(number);
    },
    release: async (released: Slot) => onRelease(released),
    close: async () => {},
  };
}

/** Boots a machine and keeps its memory and device state. */
async function freezeOn(
  hypervisor: Hypervisor,
  directory: string,
  shape: Shape,
  signal: AbortSignal,
): Promise<FrozenTemplate> {
  const at = (name: string): string => join(directory, name);
  await mkdir(directory, { recursive: true });
  for (const name of ["kernel", "initramfs", "disk"]) await writeFile(at(name), name);
  const machine = await hypervisor.boot(
    {
      ...shape,
      id: "template",
      directory: at("run"),
      kernel: at("kernel"),
      initramfs: at("initramfs"),
      disk: at("disk"),
      diskMib: 64,
      memoryFile: at("memory"),
      readable: [],
      uid: 0,
      gid: 0,
    },
    signal,
  );
  await machine.stop(signal);
  await machine.saveDeviceState(at("device-state"), signal);
  await machine.destroy();
  return {
    name: "minimal",
    shape,
    hash: "minimal",
    memoryFile: at("memory"),
    deviceState: at("device-state"),
    disk: at("disk"),
    diskMib: DISK_MIB,
    sizeBytes: (await stat(at("memory"))).size,
    readable: [directory],
    frozenProcesses: false,
    metadata: {},
  };
}
