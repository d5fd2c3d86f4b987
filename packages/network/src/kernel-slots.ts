import { readdir } from "node:fs/promises";
import { slotNumberIn } from "./naming.ts";

/** Numbers of the slots of which the kernel holds a namespace or a link, ascending. */
export async function kernelSlots(id: string): Promise<readonly number[]> {
  const namespaces = await readdir("/run/netns").catch(() => []);
  const links = await readdir("/sys/class/net");
  const numbers = [...namespaces, ...links].map((name) => slotNumberIn(id, name));
  return [...new Set(numbers.filter((number) => number !== undefined))].sort((a, b) => a - b);
}
