import { join } from "node:path";
import { runCommand } from "@wrenn/system";
import { createOverlay } from "../../src/index.ts";

/** Empty overlays over `base`, the lowest first, each over the one before it. */
export async function newImages(
  directory: string,
  base: string,
  sizesMib: readonly number[],
  name = "layer",
): Promise<string[]> {
  const paths = sizesMib.map((_, index) => join(directory, `${name}-${index}.qcow2`));
  for (const [index, path] of paths.entries())
    await createOverlay(path, {
      backing: paths[index - 1] ?? base,
      backingFormat: index === 0 ? "raw" : "qcow2",
      sizeMib: sizesMib[index] ?? 0,
    });
  return paths;
}

/** Lets QEMU's code change an image, by commands of `qemu-io`. */
export async function imageIo(path: string, commands: readonly string[]): Promise<void> {
  const options = commands.flatMap((command) => ["-c", command]);
  await runCommand(["qemu-io", "-f", "qcow2", "-d", "unmap", ...options, path]);
}
