import { chmod, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { defined, silentLogger, systemClock } from "@wrenn/core";
import { buildBootArtifacts, createArtifactStore, createOverlay, ImageEditions } from "@wrenn/disk-image";
import type { BootFiles, GuestKernel, ImageRecipe } from "@wrenn/disk-image";
import { nativeParts } from "@wrenn/server";
import {
  chooseAccelerator,
  createQemuHypervisor,
  DEFAULT_QEMU,
  MachineZygote,
  measureTscKhz,
} from "@wrenn/vmm";
import type { Hypervisor, QemuOptions } from "@wrenn/vmm";
import { buildKvmKernel } from "./kvm-kernel.ts";
import { projectRoot } from "./sources.ts";

export const cacheDirectory = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";

/** Which machines the tests start: `tcg` (the default), which every host has, or `kvm`. Set by `./wrenn test`. */
const ACCELERATOR = "WRENN_TEST_ACCELERATOR";

const store = createArtifactStore(cacheDirectory, silentLogger);

/** Long enough to build a kernel on a busy host. */
const ARTIFACTS_TIMEOUT_MS = 45 * 60_000;

/** Kernel, initramfs and root file system of the built-in template, from the cache when they are there. */
export async function minimalArtifacts(): Promise<BootFiles> {
  const recipe = JSON.parse(
    await readFile(join(projectRoot, "images/minimal/recipe.json"), "utf8"),
  ) as ImageRecipe;
  const signal = AbortSignal.timeout(ARTIFACTS_TIMEOUT_MS);
  const kernel = await testKernel(signal);
  // As servers do that share the cache.
  const { edition } = await new ImageEditions(cacheDirectory, recipe).read();
  const { guestAgent } = nativeParts;
  return await buildBootArtifacts(
    { store, recipe, guestAgent, edition, progress: () => {}, ...defined({ kernel }) },
    signal,
  );
}

/** The QEMU driver under software emulation or KVM. */
export async function qemu(
  program?: string,
  hasRoom: () => Promise<boolean> = async () => true,
  options: Pick<QemuOptions, "timerChip" | "zygote"> = {},
): Promise<Hypervisor> {
  const common = {
    logger: silentLogger,
    jail: nativeParts.jail,
    shim: nativeParts.shim,
    cacheDirectory,
    hasRoom,
    ...defined({ qemu: program }),
    ...options,
  };
  if (accelerator() === "kvm") return await createQemuHypervisor({ ...common, accelerator: "kvm" });
  const tscKhz = await measureTscKhz(nativeParts.kvmProbe, AbortSignal.timeout(5000));
  return await createQemuHypervisor({ ...common, accelerator: "tcg", tscKhz });
}

/** A zygote of QEMU that is ready; the caller disposes of it. @throws Error with the reason when there can be none. */
export async function readyZygote(program: string = DEFAULT_QEMU): Promise<MachineZygote> {
  const { zygote: library, shim } = nativeParts;
  const options = { program, library, preloaded: [shim], clock: systemClock, logger: silentLogger };
  const zygote = new MachineZygote(options);
  zygote.start();
  const { way, problem } = await zygote.settled();
  if (way === "zygote") return zygote;
  zygote[Symbol.dispose]();
  throw new Error(problem);
}

export function accelerator(): "kvm" | "tcg" {
  const name = process.env[ACCELERATOR] ?? "tcg";
  if (name !== "kvm" && name !== "tcg") throw new Error(`${ACCELERATOR} is ${name}, not kvm or tcg`);
  return name;
}

function report(step: string): void {
  process.stdout.write(`${step}\n`);
}

/** The kernel to boot instead of Debian's, which cannot run where KVM only emulates. */
async function testKernel(signal: AbortSignal): Promise<GuestKernel | undefined> {
  if (accelerator() === "tcg") return undefined;
  await using device = await open("/dev/kvm", "r+");
  void device;
  const finding = await chooseAccelerator(nativeParts.kvmProbe, "auto", signal);
  return finding.accelerator === "kvm" ? undefined : await buildKvmKernel(store, report, signal);
}

/** A disk that a machine can write, and that disks of other machines can lie over. */
export async function makeDisk(path: string, backing: string): Promise<void> {
  await createOverlay(path, {
    backing,
    backingFormat: backing.endsWith(".qcow2") ? "qcow2" : "raw",
    sizeMib: 5120,
  });
  await chmod(path, 0o644);
}
