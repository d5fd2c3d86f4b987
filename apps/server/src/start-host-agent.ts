import { mkdir, statfs } from "node:fs/promises";
import { availableParallelism, cpus, freemem, loadavg, totalmem } from "node:os";
import { defined, problemOf, systemClock, systemRandom, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import {
  createOverlay,
  dataExtents,
  flattenChain,
  readOverlayHeader,
  rebaseOverlay,
} from "@wrenn/disk-image";
import type { ImageEdition } from "@wrenn/disk-image";
import { GuestLink } from "@wrenn/guest";
import type { GuestLinkOptions } from "@wrenn/guest";
import {
  createHostAgent,
  createTemplateStore,
  defaultReserve,
  DiskReserve,
  LayerStore,
  MomentCache,
  orphanFinders,
  SnapshotTemplates,
  sweepHost,
  TemplateBases,
  TemplateImages,
} from "@wrenn/host-agent";
import type {
  DiskSpace,
  Host,
  ImagePuller,
  PortConnections,
  RunningHostAgent,
  StepObserver,
} from "@wrenn/host-agent";
import { mergeMemory, packMemory, saveMemory, servePackedMemory, unpackMemory } from "@wrenn/memory-image";
import type { StartPageServerProgram } from "@wrenn/memory-image";
import { createRunner, createSlotPool } from "@wrenn/network";
import type { SlotPool } from "@wrenn/network";
import { CommandHelper, exists } from "@wrenn/system";
import type { RunProgram } from "@wrenn/system";
import { startJailedPageServer } from "@wrenn/vmm";
import type { Accelerator, Machine, MachineZygote, QemuOptions } from "@wrenn/vmm";
import { BuiltInTemplate } from "./built-in-template.ts";
import { requireRoomBesideReserve } from "./config/disk-reserve.ts";
import { dataPaths } from "./config/server-config.ts";
import type { ServerConfig } from "./config/server-config.ts";
import { nativeParts } from "./native-parts.ts";
import { parkedMachines } from "./config/parked-machines.ts";
import { warmMachines } from "./config/warm-machines.ts";
import { findInArchive } from "./images/archive-image.ts";
import { openImages } from "./images/open-images.ts";
import { registryPuller } from "./images/registry-puller.ts";
import { followEdition } from "./follow-edition.ts";
import { scheduleRefresh } from "./scheduled-refresh.ts";
import type { ScheduledRefreshDeps } from "./scheduled-refresh.ts";
import { openHypervisor, reportChanges, startZygote } from "./open-hypervisor.ts";
import type { OpenedHypervisor } from "./open-hypervisor.ts";

/** Users of machines: one per network slot, from here on. Above what distributions hand out, below what containers use. */
/** What kept moments of builds may take on the disk of a host. */
const MOMENT_BYTES = 10 * 2 ** 30;
const UID_BASE = 200_000;
/** Network slots kept ready. */
const READY_SLOTS = 4;
/** How long a capsule stays paused until its memory is compressed, unless the configuration says otherwise. */
const PACK_AFTER_SEC = 3600;
/** What nobody owns is removed once it is this old. */
const SWEEP_GRACE_MS = 10 * 60_000;
const USERFAULTFD = "/dev/userfaultfd";

export interface StartHostAgentDeps {
  readonly logger: Logger;
  readonly connections: PortConnections;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
  readonly onStep?: StepObserver;
  /** Test seam: where images come from instead of registries. */
  readonly imagePuller?: ImagePuller;
  /** Refreshes the built-in template; without it, it is not refreshed by schedule. */
  readonly refreshTemplate?: ScheduledRefreshDeps["refresh"];
}

export interface StartHostAgentOptions {
  readonly config: ServerConfig;
  readonly version: string;
  /** Makes the built-in template of this edition, whichever is current; default: the current one, also when that changes. */
  readonly edition?: ImageEdition;
}

/** The host agent of this machine, with the capsules of an earlier run. */
export interface StartedHostAgent {
  readonly agent: RunningHostAgent;
  /** Call it when requests are served: clears away network slots that an earlier run left, and makes new ones, in the background. */
  readonly settle: () => void;
}

/**
 * Composes the host agent of this machine, takes over what an earlier run left, and makes the built-in template if it is not there.
 */
export async function startHostAgent(
  { logger, connections, progress, onStep, imagePuller, refreshTemplate }: StartHostAgentDeps,
  { config, version, edition }: StartHostAgentOptions,
  signal: AbortSignal,
): Promise<StartedHostAgent> {
  using stack = new DisposableStack();
  const helper = stack.use(new CommandHelper());
  helper.start();
  const zygote = startZygote(config, logger);
  if (zygote) stack.use(zygote);
  const paths = dataPaths(config.dataDirectory);
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o711 });
  await mkdir(config.cacheDirectory, { recursive: true, mode: 0o755 });
  const reserve = await createReserve(config);
  const hasRoom = async (): Promise<boolean> => (await reserve.freeBytes()) >= reserve.continueAbove;
  const { hypervisor, accelerator, slots } = await openMachines(
    config,
    { logger, hasRoom, run: helper.run, ...defined({ zygote }) },
    signal,
  );
  const base = { clock: systemClock, logger, random: systemRandom };
  const disks = {
    create: createDisk,
    flatten: flattenChain,
    layers: new LayerStore(paths.layers, systemRandom),
    reserve,
  };
  const snapshots = new SnapshotTemplates(paths.templates, { mergeMemory, flattenDisk: flattenChain });
  const bases = new TemplateBases(paths.bases, rebaseOverlay);
  const started = { hypervisor, slots, ...guestLinks(logger, config.capsuleBufferBytes) };
  const builtIn = await BuiltInTemplate.open(
    { ...base, machines: started, disks, bases, progress },
    { cacheDirectory: config.cacheDirectory, ...defined({ edition }) },
  );
  const machines = { ...started, bootFiles: builtIn.bootFiles };
  const images = openImages(
    {
      ...base,
      machines: started,
      disks,
      bases,
      progress,
      reserve,
      builtIn,
      puller: imagePuller ?? { ...registryPuller(config.registries, base), findInArchive },
    },
    { cacheDirectory: config.cacheDirectory, archives: paths.imageArchives },
  );
  const source = createTemplateStore([builtIn.recipe], snapshots, { findRecipe: images.findRecipe });
  const startPageServer: StartPageServerProgram = (spec, inner) =>
    startJailedPageServer({ ...nativeParts, run: helper.run }, spec, inner);
  const host = await describeHost(config, version, accelerator.accelerator);
  const agent = createHostAgent(
    {
      ...base,
      machines,
      disks,
      memory: {
        save: async (machine, path, inner) =>
          await saveMemory(await machine.memoryRegion(inner), path, inner),
        packed: {
          pack: packMemory,
          unpack: unpackMemory,
          serve: (request, inner) => servePackedMemory(request, startPageServer, inner),
        },
      },
      templates: { source, snapshots, bases },
      moments: new MomentCache({
        directory: paths.moments,
        layers: disks.layers,
        clock: systemClock,
        maxBytes: MOMENT_BYTES,
      }),
      images: images.imports,
      copyFiles: {
        images: new TemplateImages(paths.templateImages),
        mapFile: dataExtents,
        readOverlay: readOverlayHeader,
        rebaseDisk: rebaseOverlay,
      },
      connections,
      host,
      ...defined({ onStep }),
    },
    {
      capsulesDirectory: paths.capsules,
      ...warmMachines(config, availableParallelism()),
      ...parkedMachines(config, host.facts.memoryMib),
      ...(await packAfter(config.packAfterSec ?? PACK_AFTER_SEC, logger)),
    },
  );
  const { recipe, diskMib } = builtIn;
  const expectBuiltIn = async (inner: AbortSignal): Promise<void> => {
    agent.expect({ template: await source.frozen(recipe.name, recipe.defaultShape, inner), diskMib });
  };
  try {
    await agent.recover(signal);
    await reportChanges(config, accelerator, await agent.incompatibleCapsules(signal), logger);
    try {
      await expectBuiltIn(signal);
    } catch (error) {
      // The server starts all the same: its users can delete what fills the disk.
      if (!WrennError.is(error, "disk_full")) throw error;
      logger.error("template.not_frozen", { template: builtIn.recipe.name, problem: problemOf(error) });
    }
    const upkeep = new AsyncDisposableStack();
    if (edition === undefined) upkeep.use(followEdition({ ...base, builtIn, agent, expectBuiltIn }));
    if (refreshTemplate && config.templateRefreshMs !== undefined) {
      const lastAt = (): Promise<number> => builtIn.checkedAt();
      const load = (): number => (loadavg()[0] ?? 0) / availableParallelism();
      upkeep.use(
        scheduleRefresh({ ...base, lastAt, load, refresh: refreshTemplate }, config.templateRefreshMs),
      );
    }
    const kept = stack.move();
    return {
      agent: {
        ...agent,
        close: async (capsules) => {
          await upkeep.disposeAsync();
          await agent.close(capsules);
          kept.dispose();
        },
      },
      settle: () => slots.endAdoption(),
    };
  } catch (error) {
    await agent.close("leave");
    throw error;
  }
}

/** The database is stored on the same file system, and suffers first when that is full. */
async function createReserve({
  dataDirectory,
  diskReserve = defaultReserve,
}: ServerConfig): Promise<DiskReserve> {
  const readSpace = async (): Promise<DiskSpace> => {
    const { blocks, bavail, bsize } = await statfs(dataDirectory);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  };
  const { totalBytes } = await readSpace();
  const reserveBytes = diskReserve(totalBytes);
  requireRoomBesideReserve(reserveBytes, totalBytes);
  return new DiskReserve({ readSpace }, { path: dataDirectory, reserveBytes });
}

/** Hypervisor and network at once: both mostly wait for other programs. */
async function openMachines(
  config: ServerConfig,
  {
    logger,
    ...machines
  }: Pick<QemuOptions, "logger" | "hasRoom"> & {
    readonly run: RunProgram;
    readonly zygote?: MachineZygote;
  },
  signal: AbortSignal,
): Promise<OpenedHypervisor & { readonly slots: SlotPool }> {
  const [opened, slots] = await Promise.allSettled([
    openHypervisor(config, logger, machines, signal),
    openSlots(config, { logger, run: machines.run }, signal),
  ]);
  if (opened.status === "rejected") {
    if (slots.status === "fulfilled") await slots.value.close();
    throw opened.reason;
  }
  if (slots.status === "rejected") throw slots.reason;
  return { ...opened.value, slots: slots.value };
}

async function openSlots(
  config: ServerConfig,
  { logger, run }: { readonly logger: Logger; readonly run: RunProgram },
  signal: AbortSignal,
): Promise<SlotPool> {
  return await createSlotPool(
    {
      stateDirectory: dataPaths(config.dataDirectory).network,
      logger,
      random: systemRandom,
      size: READY_SLOTS,
      uidBase: UID_BASE,
      runner: createRunner(run),
      ...defined({
        limits: config.networkLimits,
        connectionLimits: config.connectionLimits,
        resolvers: config.resolvers,
        reachableNetworks: config.reachableNetworks,
      }),
    },
    signal,
  );
}

async function describeHost(
  config: ServerConfig,
  version: string,
  accelerator: Accelerator["accelerator"],
): Promise<Host> {
  const disk = await statfs(config.dataDirectory);
  return {
    facts: {
      version,
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      cpuCores: availableParallelism(),
      memoryMib: Math.floor(totalmem() / 2 ** 20),
      diskGb: Math.floor((disk.blocks * disk.bsize) / 1e9),
      accelerator,
    },
    cpuIdleMs: () => cpus().reduce((sum, { times }) => sum + times.idle, 0),
    freeMemoryMib: () => Math.floor(freemem() / 2 ** 20),
    sweep: () =>
      sweepHost({ finders: orphanFinders(config.cacheDirectory), graceMs: SWEEP_GRACE_MS, dryRun: false }),
  };
}

/** Nothing is packed that no machine of this host could be served from afterwards. */
async function packAfter(seconds: number, logger: Logger): Promise<{ readonly packAfterSec?: number }> {
  if (seconds === 0) return {};
  if (await exists(USERFAULTFD)) return { packAfterSec: seconds };
  logger.warn("host.memory_not_packed", { problem: `${USERFAULTFD} does not exist (Linux 6.1 or newer)` });
  return {};
}

/** A capsule's disk belongs to its machine's user, and so does the directory, where later overlays appear. */
async function createDisk(disk: {
  readonly path: string;
  readonly backing: string;
  readonly sizeMib: number;
}): Promise<void> {
  await createOverlay(disk.path, {
    backing: disk.backing,
    backingFormat: disk.backing.endsWith(".qcow2") ? "qcow2" : "raw",
    sizeMib: disk.sizeMib,
  });
}

function guestLinks(logger: Logger, bufferBytes: number | undefined) {
  const optionsOf = (machine: Pick<Machine, "guestChannel">, onActivity: () => void): GuestLinkOptions => ({
    ...machine.guestChannel,
    clock: systemClock,
    logger,
    random: systemRandom,
    onActivity,
    ...defined({ bufferBytes }),
  });
  return {
    connectGuest: (
      machine: Pick<Machine, "guestChannel">,
      onActivity: () => void,
      signal: AbortSignal,
    ): Promise<GuestLink> => GuestLink.connect(optionsOf(machine, onActivity), signal),
    openGuest: (machine: Pick<Machine, "guestChannel">, onActivity: () => void): GuestLink =>
      GuestLink.open(optionsOf(machine, onActivity)),
  };
}
