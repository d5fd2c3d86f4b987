import { readFile } from "node:fs/promises";
import { alpineShaped, link } from "@wrenn/oci/testing";
import type { ImageRecipe } from "@wrenn/oci/testing";
import { runCommand } from "@wrenn/system";

const BUSYBOX = "/bin/busybox";
/** Programs that the shape has itself. */
const KNOWN: ReadonlySet<string> = new Set(["busybox", "sh", "ls", "cat", "echo", "mount"]);

/** An image like Alpine's that boots: all programs of BusyBox, and nothing else. */
export async function busyboxImage(): Promise<ImageRecipe> {
  const { layers, config } = alpineShaped({ shell: await readFile(BUSYBOX) });
  const { stdout } = await runCommand([BUSYBOX, "--list"]);
  const names = stdout.split("\n").filter((name) => name !== "" && !KNOWN.has(name));
  const links = names.map((name) => link(`bin/${name}`, "/bin/busybox"));
  return { layers: [...layers, links], ...(config && { config }) };
}
