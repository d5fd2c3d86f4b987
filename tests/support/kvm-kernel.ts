import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { checkFreeSpace, downloadPackage } from "@wrenn/disk-image";
import type { ArtifactStore, GuestKernel } from "@wrenn/disk-image";
import { requireKernelBuildTools } from "@wrenn/host-setup";
import { runCommand } from "@wrenn/system";

/** What goes into the kernel, and why: kvm-kernel/README.md. */
const folder = join(import.meta.dirname, "kvm-kernel");
const SOURCE_PACKAGE = "linux-source-6.1";
/** Bumped when the build below changes what it makes. */
const BUILD_VERSION = 1;
/** The unpacked source without its documentation, and what the build adds. */
const BUILD_SPACE = 2500 * 2 ** 20;
const MOST_JOBS = 4;

/**
 * The kernel that boots where KVM only emulates kernel code: built once, which takes 3 to 20 minutes, from Debian's source
 * package. Like the product's own kernel it is looked up once and then kept: a newer source package does not build it again.
 *
 * @throws WrennError `packages_not_installable` where tools of the build are missing.
 */
export async function buildKvmKernel(
  store: ArtifactStore,
  progress: (step: string) => void,
  signal: AbortSignal,
): Promise<GuestKernel> {
  const inputs = (await readdir(folder)).filter((name) => /\.(?:patch|config)$/.test(name)).toSorted();
  const hash = createHash("sha256").update(`${SOURCE_PACKAGE}\0${BUILD_VERSION}\0`);
  for (const name of inputs)
    hash.update(`${name}\0`).update(
      createHash("sha256")
        .update(await readFile(join(folder, name)))
        .digest(),
    );
  const key = hash.digest("hex").slice(0, 32);
  const patches = inputs.filter((name) => name.endsWith(".patch")).map((name) => join(folder, name));
  const directory = await store.buildOnce(
    "kvm-kernel",
    key,
    async (building) => {
      await requireKernelBuildTools(signal);
      await checkFreeSpace(building, BUILD_SPACE);
      // In the artifact's own directory: what a killed build leaves there is removed by the store.
      const work = join(building, "work");
      await mkdir(work);
      progress(`download and unpack ${SOURCE_PACKAGE}`);
      const tree = await unpackSource(work, signal);
      progress("build the kernel of the KVM tests, which takes 3 to 20 minutes");
      await buildTree(tree, patches, signal);
      await copyFile(join(tree, "vmlinux"), join(building, "vmlinux"));
      await copyFile(join(tree, "include/config/kernel.release"), join(building, "release"));
      await rm(work, { recursive: true });
    },
    signal,
  );
  const release = (await readFile(join(directory, "release"), "utf8")).trim();
  return { directory, key, release, modules: [] };
}

/** Debian's kernel source, with Debian's patches applied, in a directory below `work`. */
async function unpackSource(work: string, signal: AbortSignal): Promise<string> {
  const archive = await downloadPackage(SOURCE_PACKAGE, async () => SOURCE_PACKAGE, work, signal);
  await runCommand(["dpkg-deb", "--extract", archive, join(work, "package")], { signal });
  const source = join(work, "package/usr/src", `${SOURCE_PACKAGE}.tar.xz`);
  const tree = join(work, "source");
  await mkdir(tree);
  // Of the documentation only its menu is needed.
  const documentation = `${SOURCE_PACKAGE}/Documentation`;
  await runCommand(
    [
      "tar",
      "--extract",
      "--xz",
      `--file=${source}`,
      `--directory=${tree}`,
      "--strip-components=1",
      `--exclude=${documentation}`,
    ],
    { signal },
  );
  await mkdir(join(tree, "Documentation"));
  await writeFile(join(tree, "Documentation/Kconfig"), "");
  return tree;
}

async function buildTree(tree: string, patches: readonly string[], signal: AbortSignal): Promise<void> {
  for (const patch of patches)
    await runCommand(["patch", "--strip=1", "--fuzz=0", "--no-backup-if-mismatch", `--input=${patch}`], {
      cwd: tree,
      signal,
    });
  const make = async (...args: readonly string[]): Promise<unknown> =>
    await runCommand(["nice", "-n", "19", "make", "ARCH=x86_64", ...args], { cwd: tree, signal });
  const fragment = join(folder, "kernel.config");
  await make("tinyconfig");
  await runCommand(["scripts/kconfig/merge_config.sh", "-m", ".config", fragment], { cwd: tree, signal });
  await make("olddefconfig");
  await requireSettings(join(tree, ".config"), fragment);
  await make(`-j${Math.min(availableParallelism(), MOST_JOBS)}`, "vmlinux");
}

/** A setting that this source does not have, or that another one overrides, would make another kernel without a word. */
async function requireSettings(configuration: string, fragment: string): Promise<void> {
  const made = (await readFile(configuration, "utf8")).split("\n");
  const refused = (await readFile(fragment, "utf8")).split("\n").filter((line) => {
    const off = /^# (CONFIG_\w+) is not set$/.exec(line)?.[1];
    if (off !== undefined) return made.some((other) => other.startsWith(`${off}=`));
    return line.startsWith("CONFIG_") && !made.includes(line);
  });
  if (refused.length > 0)
    throw new WrennError("operation_failed", {
      operation: "configuring the kernel of the KVM tests",
      problem: `the source does not take ${refused.join(", ")}`,
    });
}
