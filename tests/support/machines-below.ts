import { listMachines } from "@wrenn/vmm";

/** Directories of machines below `directory`: what is left of a server whose data lies there, and of no other. */
export async function machinesBelow(directory: string): Promise<readonly string[]> {
  return (await listMachines())
    .map((machine) => machine.directory)
    .filter((path) => path.startsWith(`${directory}/`));
}
