import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defined } from "@wrenn/core";
import type { ArtifactStore } from "./artifact-store.ts";
import { unpackDebianKernel } from "./debian-kernel.ts";
import { listDiskCheck, takeDiskCheck } from "./disk-check.ts";
import { buildInitramfs, guestModules } from "./initramfs.ts";
import { loadableModules } from "./loadable-modules.ts";
import type { ImageRecipe } from "./recipe.ts";
import { buildRootFileSystem } from "./root-file-system.ts";

/** Bumped when the way images are made changes, so that old ones are not mistaken for new. */
const BUILD_VERSION = 3;

export interface BootArtifactsOptions {
  readonly store: ArtifactStore;
  readonly recipe: ImageRecipe;
  /** Program that becomes /init. */
  readonly guestAgent: string;
  /** The kernel; Debian's current cloud kernel by default. */
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
  const { store, guestAgent, progress } = options;
  // It changes how the kernel is started, not the image.
  const { randomizeAddresses = false, ...recipe } = options.recipe;
  const kernel = options.kernel ?? (await debianKernel(store, progress, signal));
  const agent = await readFile(guestAgent);
  const diskCheck = await hostDiskCheck(store, signal);
  const initramfsKey = hashOf(kernel.key, agent, kernel.modules.join(), diskCheck.key);
  const initramfs = await store.buildOnce(
    "initramfs",
    initramfsKey,
    async (directory) => {
      const modules = kernel.modules.map((name) => ({
        name,
        path: join(kernel.directory, "modules", `${name}.ko`),
      }));
      const archive = await buildInitramfs(guestAgent, modules, await listDiskCheck(diskCheck.directory));
      await writeFile(join(directory, "initramfs.cpio"), archive, { mode: 0o644 });
    },
    signal,
  );
  // The image has the modules of this kernel.
  const rootfsKey = hashOf(JSON.stringify(recipe), String(BUILD_VERSION), kernel.key);
  const rootfs = await store.buildOnce(
    "rootfs",
    rootfsKey,
    async (directory) => {
      const step = `build image ${recipe.name} from Debian packages`;
      progress({ step, fraction: 0 });
      await writeFile(join(directory, "recipe.json"), JSON.stringify(recipe, undefined, 2));
      await buildRootFileSystem(
        { recipe, image: join(directory, "rootfs.ext4"), ...defined({ modules: kernel.loadable }) },
        (fraction) => progress({ step, fraction }),
        signal,
      );
    },
    signal,
  );
  return {
    kernel: join(kernel.directory, "vmlinux"),
    initramfs: join(initramfs, "initramfs.cpio"),
    rootfs: join(rootfs, "rootfs.ext4"),
    randomizeAddresses,
    hash: hashOf(initramfsKey, rootfsKey, ...(randomizeAddresses ? ["randomize addresses"] : [])),
    versions: { kernel: kernel.release },
  };
}

/** Taken once and then kept, as the kernel is: an update of the host's packages does not throw frozen templates away. */
async function hostDiskCheck(
  store: ArtifactStore,
  signal: AbortSignal,
): Promise<{ readonly directory: string; readonly key: string }> {
  const key = hashOf("disk-check", String(BUILD_VERSION));
  const directory = await store.buildOnce(
    "disk-check",
    key,
    (building) => takeDiskCheck(building, signal),
    signal,
  );
  return { directory, key };
}

/** The kernel is looked up once and then kept: a newer package does not throw every frozen template away by itself. */
async function debianKernel(
  store: ArtifactStore,
  progress: BootArtifactsOptions["progress"],
  signal: AbortSignal,
): Promise<GuestKernel> {
  const modules = [guestModules.join(), loadableModules.join()];
  const key = hashOf("debian-cloud-kernel", String(BUILD_VERSION), ...modules);
  const directory = await store.buildOnce(
    "kernel",
    key,
    async (building) => {
      progress({ step: "download and unpack the kernel" });
      await unpackDebianKernel(building, signal);
    },
    signal,
  );
  const release = await readFile(join(directory, "release"), "utf8");
  return {
    directory,
    key: hashOf(key, release),
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
