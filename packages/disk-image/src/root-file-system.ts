import { chmod, mkdir, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import type { ImageRecipe } from "./recipe.ts";

/** Building needs room for the packages, the tree and the image at the same time. */
const NEEDED_BYTES = 2 * 2 ** 30;
/** Names the file system; the same in every image, so that images of one recipe are alike. */
const FILE_SYSTEM_UUID = "57524e4e-0000-4000-8000-000000000001";

/** Takes a fraction from 0 to 1 as the build goes on. */
export type OnFraction = (fraction: number) => void;

/**
 * Builds the recipe's file system as a sparse raw ext4 image at `image`.
 *
 * @throws WrennError `disk_full` when there is too little room, `command_failed` when a tool refuses.
 */
export async function buildRootFileSystem(
  recipe: ImageRecipe,
  image: string,
  onFraction: OnFraction,
  signal: AbortSignal,
): Promise<void> {
  const space = await statfs(dirname(image));
  if (space.bavail * space.bsize < NEEDED_BYTES) throw new WrennError("disk_full", { path: dirname(image) });
  const tree = `${image}.tree`;
  try {
    await bootstrap(recipe, tree, onFraction, signal);
    await customise(recipe, tree, signal);
    await makeFileSystem(recipe, tree, image, signal);
    onFraction(1);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

async function bootstrap(
  recipe: ImageRecipe,
  tree: string,
  onFraction: OnFraction,
  signal: AbortSignal,
): Promise<void> {
  // mmdebstrap says what it is doing in a handful of lines; each is a step of roughly equal worth.
  let steps = 0;
  await runCommand(
    [
      "mmdebstrap",
      "--variant=minbase",
      `--include=${recipe.packages.join(",")}`,
      ...recipe.excludes.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
      '--aptopt=APT::Install-Recommends "false"',
      recipe.suite,
      tree,
    ],
    {
      signal,
      env: {
        PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
        SOURCE_DATE_EPOCH: "1700000000",
        LC_ALL: "C",
      },
      onOutput: (text) => {
        steps += text.split("I: ").length - 1;
        onFraction(Math.min(0.9, steps / 14));
      },
    },
  );
}

async function customise(recipe: ImageRecipe, tree: string, signal: AbortSignal): Promise<void> {
  for (const user of recipe.users) {
    await runCommand(
      [
        "chroot",
        tree,
        "useradd",
        "--create-home",
        "--uid",
        String(user.uid),
        "--shell",
        user.shell,
        user.name,
      ],
      { signal },
    );
  }
  await runCommand(["chroot", tree, "usermod", "--password", "*", "root"], { signal });
  for (const file of recipe.files) {
    const path = join(tree, file.path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.content);
    await chmod(path, file.mode);
  }
}

async function makeFileSystem(
  recipe: ImageRecipe,
  tree: string,
  image: string,
  signal: AbortSignal,
): Promise<void> {
  await runCommand(
    [
      "mkfs.ext4",
      "-q",
      "-d",
      tree,
      "-U",
      FILE_SYSTEM_UUID,
      "-m",
      "0",
      "-O",
      "^has_journal",
      "-E",
      `lazy_itable_init=1,hash_seed=${FILE_SYSTEM_UUID}`,
      image,
      `${recipe.diskMib}M`,
    ],
    { signal },
  );
  await chmod(image, 0o644);
  if ((await stat(image)).size !== recipe.diskMib * 2 ** 20) {
    throw new WrennError("operation_failed", {
      operation: "making the file system",
      problem: "the image has the wrong size",
    });
  }
}
