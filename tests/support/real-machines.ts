import { chown, readFile } from "node:fs/promises";
import { join } from "node:path";
import { defined, silentLogger } from "@wrenn/core";
import { buildBootArtifacts, createArtifactStore, createOverlay } from "@wrenn/disk-image";
import type { BootFiles, ImageRecipe } from "@wrenn/disk-image";
import { nativeParts } from "@wrenn/server";
import { createQemuHypervisor, measureTscKhz } from "@wrenn/vmm";
import type { Hypervisor } from "@wrenn/vmm";
import { projectRoot } from "./sources.ts";

export const cacheDirectory = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";

/** Kernel, initramfs and root file system of the built-in template, from the cache when they are there. */
export async function minimalArtifacts(): Promise<BootFiles> {
  const recipe = JSON.parse(
    await readFile(join(projectRoot, "images/minimal/recipe.json"), "utf8"),
  ) as ImageRecipe;
  const store = createArtifactStore(cacheDirectory, silentLogger);
  return await buildBootArtifacts(
    { store, recipe, guestAgent: nativeParts.guestAgent, progress: () => {} },
    AbortSignal.timeout(10 * 60_000),
  );
}

/** The QEMU driver under software emulation, which every machine has. */
export async function qemu(program?: string): Promise<Hypervisor> {
  const tscKhz = await measureTscKhz(nativeParts.kvmProbe, AbortSignal.timeout(5000));
  return await createQemuHypervisor({
    logger: silentLogger,
    accelerator: "tcg",
    tscKhz,
    jail: nativeParts.jail,
    shim: nativeParts.shim,
    ...defined({ qemu: program }),
  });
}

/** A writable disk for a machine of user `uid`. */
export async function makeDisk(path: string, uid: number, backing: string): Promise<void> {
  await createOverlay(path, {
    backing,
    backingFormat: backing.endsWith(".qcow2") ? "qcow2" : "raw",
    sizeMib: 5120,
  });
  await chown(path, uid, uid);
}
