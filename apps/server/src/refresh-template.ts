import { createHash } from "node:crypto";
import { mkdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { defined, newId, silentLogger, systemClock, systemRandom, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import {
  buildBootArtifacts,
  comparePackages,
  createArtifactStore,
  debianKernelVersion,
  findBootArtifacts,
  ImageEditions,
  PackageIndex,
  readPackages,
} from "@wrenn/disk-image";
import type { EditionRecord, ImageEdition, PackageChange } from "@wrenn/disk-image";
import { tryLock } from "@wrenn/system";
import { readMinimalRecipe } from "./built-in-template.ts";
import type { ServerConfig } from "./config/server-config.ts";
import { readImageStatus } from "./image-status.ts";
import type { RefreshResult } from "./refresh-result.ts";
import { nativeParts } from "./native-parts.ts";
import { startHostAgent } from "./start-host-agent.ts";

/** Where a new template is tried, of one refresh of a cache at a time. Short, because sockets lie below it. */
const TRIALS = "/tmp/wrenn-refresh-";
const DISK_MIB = 5120;
/** What the new template has to do in a capsule. Its kernel is the first argument. */
const SMOKE_TEST = `test "$(uname -r)" = "$1" && python3 -c 'import ssl, json' && git --version && curl --version && dpkg --audit`;

export interface RefreshTemplateDeps {
  readonly logger: Logger;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
}

export interface RefreshTemplateOptions {
  readonly config: ServerConfig;
  /** Only says what a refresh would change. */
  readonly checkOnly: boolean;
  /** Lines of a sources.list; default: those of the host. For tests, which serve packages of their own. */
  readonly sources?: readonly string[];
}

/**
 * Builds the built-in template from Debian's current packages and kernel next to the one that is there, tries it in a capsule, and lets
 * every server that shares the cache start new capsules from it. Until then, and after every failure, the old one stays in use.
 *
 * @throws WrennError `package_index_unavailable`, `template_refresh_runs` while another process refreshes it, `disk_full`, and whatever a
 *   build or a boot throws.
 */
export async function refreshTemplate(
  { logger, progress }: RefreshTemplateDeps,
  { config, checkOnly, sources }: RefreshTemplateOptions,
  signal: AbortSignal,
): Promise<RefreshResult> {
  const recipe = await readMinimalRecipe();
  const lists = join(config.cacheDirectory, "apt", recipe.suite);
  await mkdir(lists, { recursive: true, mode: 0o755 });
  await using lock = await tryLock(`${lists}.lock`);
  if (!lock) throw new WrennError("template_refresh_runs", { template: recipe.name });

  const store = createArtifactStore(config.cacheDirectory, logger);
  const editions = new ImageEditions(config.cacheDirectory, recipe);
  const record = await editions.read();
  const common = { store, recipe, guestAgent: nativeParts.guestAgent };
  const present = await findBootArtifacts({ ...common, edition: record.edition });
  if (!present)
    return { template: recipe.name, outcome: "not_built", packages: [], kernel: {}, imageBytes: {} };

  progress({ step: "fetch Debian's lists of packages" });
  const index = await PackageIndex.fetch(
    {
      directory: lists,
      suite: recipe.suite,
      ...defined({ sources }),
    },
    signal,
  );
  const status = await readImageStatus(present.rootfs, signal);
  const kernel = {
    ...defined({ before: await debianKernelVersion(present.kernel) }),
    after: await index.kernelVersion(signal),
  };
  const planned = await index.upgrades(status, signal);
  const before = await bytesOf(present.rootfs);
  const checked: EditionRecord = { ...record, checkedAt: systemClock.now() };
  const result = { template: recipe.name, kernel, imageBytes: { before } };
  if (planned.length === 0 && kernel.before === kernel.after) {
    await editions.write(checked);
    return { ...result, outcome: "current", packages: [], imageBytes: { before, after: before } };
  }
  if (checkOnly) return { ...result, outcome: "outdated", packages: planned };

  const keptKernel = record.edition?.kernel;
  const edition: ImageEdition = {
    id: editionId(readPackages(status), planned, kernel.after),
    ...defined({ kernel: kernel.before === kernel.after ? keptKernel : kernel.after }),
  };
  const { aptOptions } = index;
  const made = await buildBootArtifacts({ ...common, edition, aptOptions, sources, progress }, signal);
  progress({ step: "try the new template in a capsule" });
  try {
    await tryTemplate(config, edition, made.versions.kernel, progress, signal);
  } catch (error) {
    // One that was interrupted is tried again as it is; one that failed is built again.
    if (!signal.aborted) await store.remove("rootfs", keyOf(made.rootfs));
    throw error;
  }
  const after = readPackages(await readImageStatus(made.rootfs, signal));
  signal.throwIfAborted();

  const keys = { rootfs: keyOf(made.rootfs), initramfs: keyOf(made.initramfs) };
  const retired = [
    ...record.retired,
    {
      hash: present.hash,
      rootfs: present.keys.rootfs,
      initramfs: present.keys.initramfs,
      at: systemClock.now(),
    },
  ]
    .filter(({ rootfs }) => rootfs !== keys.rootfs)
    .map(({ initramfs, ...one }) => ({
      ...one,
      ...defined({ initramfs: initramfs === keys.initramfs ? undefined : initramfs }),
    }));
  // From here on it is used.
  await editions.write({ ...checked, edition, retired });
  return {
    ...result,
    outcome: "refreshed",
    packages: comparePackages(readPackages(status), after),
    imageBytes: { before, after: await bytesOf(made.rootfs) },
  };
}

/** Freezes the template and starts a capsule from it, in a separate host agent. The frozen machine is in the cache afterwards. */
async function tryTemplate(
  config: ServerConfig,
  edition: ImageEdition,
  kernelRelease: string,
  progress: RefreshTemplateDeps["progress"],
  signal: AbortSignal,
): Promise<void> {
  const dataDirectory = `${TRIALS}${createHash("sha256").update(config.cacheDirectory).digest("hex").slice(0, 12)}`;
  // What a killed refresh left. The directory is made here, so that it is no other user's.
  await rm(dataDirectory, { recursive: true, force: true });
  await mkdir(dataDirectory, { mode: 0o711 });
  try {
    const { agent, settle } = await startHostAgent(
      {
        logger: silentLogger,
        connections: { inUse: () => false, drain: async () => {}, end: () => {}, reset: () => {} },
        progress,
      },
      {
        config: { ...config, dataDirectory, warmMachines: 0, parkedMachines: 0, packAfterSec: 0 },
        version: "0",
        edition,
      },
      signal,
    );
    try {
      settle();
      const id = newId("capsule", systemRandom);
      await agent.createCapsule(
        { id, template: "minimal", vcpus: 1, memoryMib: 512, diskMib: DISK_MIB, timeoutSec: 0, envs: {} },
        signal,
      );
      const args = ["-c", SMOKE_TEST, "sh", kernelRelease];
      const process = await agent
        .processes(id)
        .start({ cmd: "sh", args, envs: {}, stdin: false, output: "attached" }, signal);
      const { exitCode } = await process.wait(signal);
      if (exitCode !== 0)
        throw new WrennError("operation_failed", {
          operation: "trying the new template",
          problem: `its programs do not work: a check ended with exit code ${exitCode ?? "none"}`,
        });
    } finally {
      await agent.close("destroy");
    }
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

/** The same for the same packages and kernel: a refresh that was interrupted goes on with the image that it built. */
function editionId(
  packages: ReadonlyMap<string, string>,
  changes: readonly PackageChange[],
  kernel: string,
): string {
  const after = new Map(packages);
  for (const { name, after: version } of changes)
    if (version === undefined) after.delete(name);
    else after.set(name, version);
  const lines = [...after].map(([name, version]) => `${name} ${version}`).sort();
  return createHash("sha256")
    .update([kernel, ...lines].join("\n"))
    .digest("hex")
    .slice(0, 32);
}

async function bytesOf(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}

function keyOf(file: string): string {
  return basename(dirname(file));
}
