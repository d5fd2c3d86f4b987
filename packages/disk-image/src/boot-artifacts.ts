import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { defined, WrennError } from "@wrenn/core";
import { exists } from "@wrenn/system";
import type { ArtifactStore } from "./artifact-store.ts";
import { unpackDebianKernel } from "./debian-kernel.ts";
import { listDiskCheck, takeDiskCheck } from "./disk-check.ts";
import { buildInitramfs, guestModules } from "./initramfs.ts";
import { loadableModules } from "./loadable-modules.ts";
import type { ImageEdition, ImageRecipe } from "./recipe.ts";
import { buildRootFileSystem } from "./root-file-system.ts";

/** Bumped when the way images are made changes, so that old ones are not mistaken for new. */
const BUILD_VERSION = 3;
const VMLINUX = "vmlinux";
const INITRAMFS = "initramfs.cpio";
const ROOTFS = "rootfs.ext4";

export interface BootArtifactsOptions {
  readonly store: ArtifactStore;
  readonly recipe: ImageRecipe;
  /** Program that becomes /init. */
  readonly guestAgent: string;
  /** Which packages and kernel; default: those of the first build, which are kept. */
  readonly edition?: ImageEdition | undefined;
  /** Lines of a sources.list for the image; default: those of the host. */
  readonly sources?: readonly string[] | undefined;
  /** Options of apt's programs for a kernel that is downloaded. */
  readonly aptOptions?: readonly string[];
  /** The kernel; Debian's cloud kernel of the edition by default. */
  readonly kernel?: GuestKernel;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
}

/** A kernel as an artifact. */
export interface GuestKernel {
  /** Has `vmlinux`, `release` and, for each module, `modules/<name>.ko`. */
  readonly directory: string;
  /** Names the content of the directory. */
  readonly key: string;
  readonly release: string;
  /** Modules for the guest agent to load, in the order they depend on each other. */
  readonly modules: readonly string[];
  /** A directory like `/lib/modules` with those that guests load when they use them; undefined for a kernel without any. */
  readonly loadable?: string;
}

export interface BootFiles {
  readonly kernel: string;
  readonly initramfs: string;
  /** Raw image. */
  readonly rootfs: string;
  /** See {@link ImageRecipe.randomizeAddresses}. */
  readonly randomizeAddresses: boolean;
  /** Names the content of all of them. */
  readonly hash: string;
  readonly versions: {
    /** Release of the kernel, e.g. 6.1.0-56-cloud-amd64. */
    readonly kernel: string;
  };
}

/** Kernel, first file system and disk of a recipe: built when they do not exist yet. */
export async function buildBootArtifacts(
  options: BootArtifactsOptions,
  signal: AbortSignal,
): Promise<BootFiles> {
  const { store, progress, edition, sources } = options;
  // It changes how the kernel is started, not the image.
  const { randomizeAddresses = false, ...recipe } = options.recipe;
  const kernel = await guestKernel(options, signal);
  const initramfs = await initramfsOf(kernel, options, signal);
  const rootfsKey = rootfsKeyOf(options.recipe, kernel, edition);
  const rootfs = await store.buildOnce(
    "rootfs",
    rootfsKey,
    async (directory) => {
      const step = `build image ${recipe.name} from Debian packages`;
      progress({ step, fraction: 0 });
      await writeFile(join(directory, "recipe.json"), JSON.stringify(recipe, undefined, 2));
      await buildRootFileSystem(
        { recipe, image: join(directory, ROOTFS), ...defined({ modules: kernel.loadable, sources }) },
        (fraction) => progress({ step, fraction }),
        signal,
      );
    },
    signal,
  );
  return {
    kernel: join(kernel.directory, VMLINUX),
    initramfs: join(initramfs, INITRAMFS),
    rootfs: join(rootfs, ROOTFS),
    randomizeAddresses,
    hash: contentHash(basename(initramfs), rootfsKey, randomizeAddresses),
    versions: { kernel: kernel.release },
  };
}

/** The kernel of an edition: downloaded and unpacked when that was not done yet. */
export async function guestKernel(
  options: Pick<BootArtifactsOptions, "store" | "kernel" | "edition" | "aptOptions" | "progress">,
  signal: AbortSignal,
): Promise<GuestKernel> {
  return options.kernel ?? (await debianKernel(options, signal));
}

/**
 * What {@link buildBootArtifacts} builds, if it was built; nothing is built, downloaded or marked as used. The first file system may
 * not be there.
 */
export async function findBootArtifacts({
  store,
  recipe,
  guestAgent,
  edition,
}: Pick<BootArtifactsOptions, "store" | "recipe" | "guestAgent" | "edition">): Promise<
  | (Omit<BootFiles, "initramfs"> & {
      readonly keys: { readonly rootfs: string; readonly initramfs: string };
    })
  | undefined
> {
  const directory = await store.find("kernel", kernelKeyOf(edition));
  const kernel = directory === undefined ? undefined : await readKernel(directory);
  if (kernel === undefined) return undefined;
  const rootfsKey = rootfsKeyOf(recipe, kernel, edition);
  const rootfs = await store.find("rootfs", rootfsKey);
  if (rootfs === undefined) return undefined;
  const initramfsKey = initramfsKeyOf(kernel, await readFile(guestAgent));
  const { randomizeAddresses = false } = recipe;
  return {
    kernel: join(kernel.directory, VMLINUX),
    rootfs: join(rootfs, ROOTFS),
    randomizeAddresses,
    hash: contentHash(initramfsKey, rootfsKey, randomizeAddresses),
    versions: { kernel: kernel.release },
    keys: { rootfs: rootfsKey, initramfs: initramfsKey },
  };
}

/**
 * Kernel and first file system with a kernel that images of an earlier edition have modules of, for machines that boot their disks.
 *
 * @param release - of the kernel, such as 6.1.0-56-cloud-amd64.
 * @returns undefined when the cache no longer has this kernel.
 */
export async function findBootKernel(
  options: Pick<BootArtifactsOptions, "store" | "guestAgent" | "recipe">,
  release: string,
  signal: AbortSignal,
): Promise<Pick<BootFiles, "kernel" | "initramfs" | "randomizeAddresses"> | undefined> {
  const { store } = options;
  for (const key of await store.list("kernel")) {
    const directory = await store.find("kernel", key);
    const kernel = directory === undefined ? undefined : await readKernel(directory);
    if (kernel?.release !== release) continue;
    const initramfs = await initramfsOf(kernel, options, signal);
    return {
      kernel: join(kernel.directory, VMLINUX),
      initramfs: join(initramfs, INITRAMFS),
      randomizeAddresses: options.recipe.randomizeAddresses ?? false,
    };
  }
  return undefined;
}

/** Names what an image is built by: the recipe and the way of building, without packages and kernel. */
export function imageKey({ randomizeAddresses: _start, ...recipe }: ImageRecipe): string {
  return hashOf(JSON.stringify(recipe), String(BUILD_VERSION));
}

/** The image has the modules of this kernel. */
function rootfsKeyOf(
  { randomizeAddresses: _start, ...recipe }: ImageRecipe,
  kernel: GuestKernel,
  edition: ImageEdition | undefined,
): string {
  const parts = [JSON.stringify(recipe), String(BUILD_VERSION), kernel.key];
  return hashOf(...parts, ...(edition ? [edition.id] : []));
}

/** The directory of the first file system with a kernel's modules. */
async function initramfsOf(
  kernel: GuestKernel,
  { store, guestAgent }: Pick<BootArtifactsOptions, "store" | "guestAgent">,
  signal: AbortSignal,
): Promise<string> {
  const diskCheck = await hostDiskCheck(store, signal);
  return await store.buildOnce(
    "initramfs",
    initramfsKeyOf(kernel, await readFile(guestAgent)),
    async (directory) => {
      const modules = kernel.modules.map((name) => ({
        name,
        path: join(kernel.directory, "modules", `${name}.ko`),
      }));
      const archive = await buildInitramfs(guestAgent, modules, await listDiskCheck(diskCheck));
      await writeFile(join(directory, INITRAMFS), archive, { mode: 0o644 });
    },
    signal,
  );
}

/** Taken once and then kept, as the kernel is: an update of the host's packages does not throw frozen templates away. */
async function hostDiskCheck(store: ArtifactStore, signal: AbortSignal): Promise<string> {
  return await store.buildOnce(
    "disk-check",
    diskCheckKey(),
    (building) => takeDiskCheck(building, signal),
    signal,
  );
}

function diskCheckKey(): string {
  return hashOf("disk-check", String(BUILD_VERSION));
}

function initramfsKeyOf(kernel: GuestKernel, agent: Uint8Array): string {
  return hashOf(kernel.key, agent, kernel.modules.join(), diskCheckKey());
}

function contentHash(initramfsKey: string, rootfsKey: string, randomizeAddresses: boolean): string {
  return hashOf(initramfsKey, rootfsKey, ...(randomizeAddresses ? ["randomize addresses"] : []));
}

/** The kernel is looked up once for an edition and then kept: a newer package does not throw every frozen template away by itself. */
async function debianKernel(
  {
    store,
    progress,
    edition,
    aptOptions,
  }: Pick<BootArtifactsOptions, "store" | "edition" | "aptOptions" | "progress">,
  signal: AbortSignal,
): Promise<GuestKernel> {
  const directory = await store.buildOnce(
    "kernel",
    kernelKeyOf(edition),
    async (building) => {
      progress({ step: "download and unpack the kernel" });
      await unpackDebianKernel(building, signal, aptOptions);
    },
    signal,
  );
  const kernel = await readKernel(directory);
  if (kernel === undefined)
    throw new WrennError("operation_failed", {
      operation: "finding the kernel of guests",
      problem: `${directory} is not complete`,
    });
  return kernel;
}

function kernelKeyOf(edition: ImageEdition | undefined): string {
  const modules = [guestModules.join(), loadableModules.join()];
  const version = edition?.kernel === undefined ? [] : [edition.kernel];
  return hashOf("debian-cloud-kernel", String(BUILD_VERSION), ...modules, ...version);
}

/** A kernel in the cache; undefined when it has not all modules that guests of this release boot with. */
async function readKernel(directory: string): Promise<GuestKernel | undefined> {
  for (const name of guestModules)
    if (!(await exists(join(directory, "modules", `${name}.ko`)))) return undefined;
  const release = await readFile(join(directory, "release"), "utf8");
  return {
    directory,
    key: hashOf(basename(directory), release),
    release,
    modules: guestModules,
    loadable: join(directory, "loadable"),
  };
}

function hashOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(createHash("sha256").update(part).digest());
  return hash.digest("hex").slice(0, 32);
}
