import { glob } from "node:fs/promises";
import { join } from "node:path";
import type { SystemProgram } from "../jail/system-tree.ts";
import { QEMU_MICROVM } from "./qemu-program.ts";

/** What QEMU reads from a disk when a microvm starts; which of them a version has, and where, differs by distribution. */
const FIRMWARE = ["bios-microvm.bin", "qboot.rom", "pvh.bin", "linuxboot.bin", "linuxboot_dma.bin"] as const;
const DATA_DIRECTORIES = ["share/qemu", "share/seabios"] as const;
/** Accelerators may be modules. Those for devices, screens and sound are for nothing that machines have, and the small QEMU has none. */
const MODULE_DIRECTORIES = ["lib/*/qemu", "lib/qemu", "lib64/qemu"] as const;
const MODULES = "accel-*-x86_64.so";

/**
 * QEMU with the files that a machine opens.
 *
 * @param prefix - a test seam: where modules and firmware are installed.
 */
export function qemuSystem(program: string, prefix = "/usr"): SystemProgram {
  const modules = program === QEMU_MICROVM ? [] : MODULE_DIRECTORIES;
  const patterns = [
    ...modules.map((directory) => join(prefix, directory, MODULES)),
    ...DATA_DIRECTORIES.flatMap((directory) => FIRMWARE.map((name) => join(prefix, directory, name))),
  ];
  return { program, files: async () => (await Array.fromAsync(glob(patterns))).toSorted() };
}
