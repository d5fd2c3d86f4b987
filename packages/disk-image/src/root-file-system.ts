import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { runCommand } from "@wrenn/system";
import { makeExt4 } from "./ext4.ts";
import { checkFreeSpace } from "./free-space.ts";
import { hostProxies, hostSources } from "./debian-sources.ts";
import type { ImageRecipe } from "./recipe.ts";
import { removeBuild } from "./remove-build.ts";

/** Building needs room for the packages, the tree and the image at the same time. */
const NEEDED_BYTES = 2 * 2 ** 30;

/** Takes a fraction from 0 to 1 as the build goes on. */
export type OnFraction = (fraction: number) => void;

export interface RootFileSystem {
  readonly recipe: ImageRecipe;
  /** Where the image is written. */
  readonly image: string;
  /** Kernel modules for it, in a directory like `/lib/modules`. */
  readonly modules?: string;
  /** Lines of a sources.list that packages come from; default: the host's sources of the release. */
  readonly sources?: readonly string[];
}

/**
 * Builds the recipe's file system as a sparse raw ext4 image.
 *
 * @throws WrennError `disk_full` when there is too little room, `command_failed` when a tool refuses.
 */
export async function buildRootFileSystem(
  { recipe, image, modules, sources }: RootFileSystem,
  onFraction: OnFraction,
  signal: AbortSignal,
): Promise<void> {
  await checkFreeSpace(dirname(image), NEEDED_BYTES);
  const tree = `${image}.tree`;
  const scratch = `${image}.tmp`;
  try {
    await mkdir(scratch);
    const lines = sources ?? (await hostSources(recipe.suite, signal));
    await bootstrap(recipe, tree, { scratch, sources: lines }, onFraction, signal);
    await customise(recipe, tree, signal);
    if (modules !== undefined) await installModules(modules, tree, signal);
    await makeExt4(tree, image, { sizeMib: recipe.diskMib }, signal);
    onFraction(1);
  } finally {
    await removeBuild(tree);
    await removeBuild(scratch);
  }
}

async function bootstrap(
  recipe: ImageRecipe,
  tree: string,
  { scratch, sources }: { readonly scratch: string; readonly sources: readonly string[] },
  onFraction: OnFraction,
  signal: AbortSignal,
): Promise<void> {
  // mmdebstrap says what it is doing in a handful of lines; each is a step of roughly equal worth.
  let steps = 0;
  await runCommand(
    [
      // What it mounts of the host, such as /dev/shm, is gone with it, also when it is killed.
      "unshare",
      "--mount",
      "--propagation=private",
      "--",
      "mmdebstrap",
      "--variant=minbase",
      `--include=${recipe.packages.join(",")}`,
      ...recipe.excludes.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
      '--aptopt=APT::Install-Recommends "false"',
      ...(await hostProxies(signal)).map((option) => `--aptopt=${option}`),
      recipe.suite,
      tree,
      ...sources,
    ],
    {
      name: "mmdebstrap",
      signal,
      // A killed mmdebstrap leaves its temporary files, which then go with ours.
      env: { ...buildEnvironment(), TMPDIR: scratch },
      onOutput: (text) => {
        steps += text.split("I: ").length - 1;
        onFraction(Math.min(0.9, steps / 14));
      },
    },
  );
  // It holds the options above, among them the proxies of this host.
  await rm(join(tree, "etc/apt/apt.conf.d/99mmdebstrap"), { force: true });
}

/**
 * What package scripts may see of the host. In particular not SOURCE_DATE_EPOCH: under it Python compiles modules that check
 * the hash of their source at every import instead of its time.
 */
function buildEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    LC_ALL: "C",
  };
  for (const [name, value] of Object.entries(process.env))
    if (/^(https?|ftp|no)_proxy$/i.test(name) && value !== undefined) environment[name] = value;
  return environment;
}

/** Files come first, so that a user's home is made from a skeleton that the recipe may have changed. */
async function customise(recipe: ImageRecipe, tree: string, signal: AbortSignal): Promise<void> {
  const options = { signal, env: buildEnvironment() };
  for (const file of recipe.files) {
    // Inside the tree, where links such as /var/run mean the image's directories and never the host's.
    await runCommand(["chroot", tree, "mkdir", "--parents", "--", posix.dirname(file.path)], options);
    await runCommand(["chroot", tree, "tee", "--", file.path], { ...options, input: file.content });
    await runCommand(["chroot", tree, "chmod", file.mode.toString(8), "--", file.path], options);
  }
  for (const { name, uid, shell } of recipe.users) {
    await runCommand(
      ["chroot", tree, "useradd", "--create-home", "--uid", String(uid), "--shell", shell, name],
      options,
    );
  }
  await runCommand(["chroot", tree, "usermod", "--password", "*", "root"], options);
}

/** The image's own depmod writes the indexes, so that its modprobe understands them. */
async function installModules(modules: string, tree: string, signal: AbortSignal): Promise<void> {
  const target = join(tree, "usr/lib/modules");
  await cp(modules, target, { recursive: true });
  await runCommand(["chown", "--recursive", "0:0", target], { signal });
  for (const release of await readdir(modules))
    await runCommand(["chroot", tree, "/sbin/depmod", release], { signal, env: buildEnvironment() });
}
