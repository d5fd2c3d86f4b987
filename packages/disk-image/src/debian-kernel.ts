import { glob, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { runCommand, tryCommand } from "@wrenn/system";
import { downloadPackage } from "./debian-package.ts";
import { guestModules } from "./initramfs.ts";
import { extractKernel } from "./kernel-image.ts";
import { takeLoadable } from "./loadable-modules.ts";

/** Depends on Debian's current cloud kernel. */
export const KERNEL_META_PACKAGE = "linux-image-cloud-amd64";

/**
 * Downloads Debian's current cloud kernel and unpacks it into `directory`: `vmlinux`, `release` (e.g. 6.1.0-56-cloud-amd64),
 * `modules/<name>.ko` for the boot, without debug information, and `loadable` with what guests load when they use it.
 * The package is not installed on the host.
 *
 * @param aptOptions - for apt's programs, where it comes from other lists than those of the host.
 * @throws WrennError `dependency_missing` when the host's package sources have no such kernel.
 */
export async function unpackDebianKernel(
  directory: string,
  signal: AbortSignal,
  aptOptions: readonly string[] = [],
): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "wrenn-kernel-"));
  try {
    const archive = await downloadPackage(
      KERNEL_META_PACKAGE,
      (inner) => findKernelPackage(aptOptions, inner),
      work,
      signal,
      aptOptions,
    );
    await runCommand(["dpkg-deb", "--extract", archive, join(work, "tree")], { signal });
    await takeKernel(join(work, "tree"), directory);
    await takeModules(join(work, "tree"), directory, signal);
    await takeLoadableModules(join(work, "tree/lib/modules"), join(directory, "loadable"));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function findKernelPackage(
  aptOptions: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { stdout } = await tryCommand(["apt-cache", ...aptOptions, "depends", KERNEL_META_PACKAGE], {
    signal,
  });
  return realKernelPackage(stdout);
}

/** The package that the meta package stands for, from `apt-cache depends`. */
export function realKernelPackage(depends: string): string | undefined {
  return /^\s*Depends: (linux-image-[\w.+-]+)$/m.exec(depends)?.[1];
}

/** Version of the Debian package that a kernel is of, such as 6.1.192-3, by its own banner; undefined for other kernels. */
export async function debianKernelVersion(vmlinux: string): Promise<string | undefined> {
  const image = await readFile(vmlinux);
  const banner = Buffer.from("Linux version ");
  for (let at = image.indexOf(banner); at >= 0; at = image.indexOf(banner, at + 1)) {
    const version = / Debian (\S+) \(\d/.exec(
      image.toString("latin1", at, at + 400).split("\n")[0] ?? "",
    )?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

async function takeKernel(tree: string, directory: string): Promise<void> {
  const image = (await readdir(join(tree, "boot"))).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined)
    throw new WrennError("operation_failed", {
      operation: "unpacking the kernel package",
      problem: "it has no kernel",
    });
  await writeFile(join(directory, "vmlinux"), extractKernel(await readFile(join(tree, "boot", image))), {
    mode: 0o644,
  });
  await writeFile(join(directory, "release"), image.slice("vmlinuz-".length));
}

async function takeModules(tree: string, directory: string, signal: AbortSignal): Promise<void> {
  await mkdir(join(directory, "modules"));
  const found = new Map<string, string>();
  for await (const path of glob("lib/modules/*/kernel/**/*.ko", { cwd: tree }))
    found.set(basename(path, ".ko"), join(tree, path));
  for (const name of guestModules) {
    const path = found.get(name);
    if (path === undefined)
      throw new WrennError("operation_failed", {
        operation: "unpacking the kernel package",
        problem: `it has no module ${name}`,
      });
    await runCommand(["strip", "--strip-debug", "-o", join(directory, "modules", `${name}.ko`), path], {
      signal,
    });
  }
}

/** Makes `target` like `/lib/modules`. */
async function takeLoadableModules(packaged: string, target: string): Promise<void> {
  const [release = ""] = await readdir(packaged);
  const paths = await Array.fromAsync(glob("kernel/**/*.ko", { cwd: join(packaged, release) }));
  await takeLoadable(join(packaged, release), paths, join(target, release));
}
