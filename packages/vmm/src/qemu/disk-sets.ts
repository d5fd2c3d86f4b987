import { close, constants } from "node:fs";
import { basename, dirname } from "node:path";
import { WrennError } from "@wrenn/core";
import { descriptorAddon } from "../descriptors/descriptor-addon.ts";
import { DISK_ID, descriptorSet } from "./command-line.ts";
import type { QmpClient } from "./qmp-client.ts";
import type { QmpCommands } from "./qmp-commands.ts";
import { plainPath } from "./run-state.ts";

/** QEMU opens the disk for writing, and again for reading when another is put above it. */
const ACCESS_MODES = [constants.O_RDWR, constants.O_RDONLY] as const;
const SET = /^\/dev\/fdset\/(\d{1,9})$/;

/**
 * Lets a stopped machine write to an empty overlay from now on, which lies above the disk that it wrote before. QEMU gets the file as
 * descriptors.
 *
 * @param path - of the overlay: a regular file in a directory of root's.
 * @throws WrennError `operation_failed` when QEMU refuses; then it writes the disk as before.
 */
export async function switchDisk(qmp: QmpClient, path: string, signal: AbortSignal): Promise<void> {
  const before = await activeSet(qmp, signal);
  const set = await handOver(qmp, path, signal);
  const overlay = `overlay-${set}`;
  try {
    await qmp.execute("blockdev-add", overlayNode(overlay, descriptorSet(set)), signal);
    await qmp
      .execute("blockdev-snapshot", { node: DISK_ID, overlay }, signal)
      .catch(async (error: unknown) => {
        await qmp.execute("blockdev-del", { "node-name": overlay }, signal).catch(() => undefined);
        throw error;
      });
  } catch (error) {
    await forget(qmp, set, signal);
    throw error;
  }
  // QEMU has it open. A set that stayed would hold two more descriptors for each checkpoint.
  if (before !== undefined) await forget(qmp, before, signal);
}

/** An overlay with the options of the disk that QEMU was started with. What it lies over is said when it is put there. */
function overlayNode(name: string, filename: string): QmpCommands["blockdev-add"]["arguments"] {
  const common = { cache: { direct: false, "no-flush": true }, discard: "unmap" } as const;
  const file = { driver: "file", filename, locking: "off", ...common } as const;
  return { driver: "qcow2", "node-name": name, file, backing: null, ...common };
}

/**
 * The disk that a machine writes.
 *
 * @throws WrennError `operation_failed` when QEMU names none.
 */
export async function activeDisk(qmp: QmpClient, signal: AbortSignal): Promise<string> {
  const file = await activeFile(qmp, signal);
  const set = setOf(file);
  if (set === undefined) return file;
  const sets = await qmp.execute("query-fdsets", undefined, signal);
  const path = sets.find((one) => one["fdset-id"] === set)?.fds[0]?.opaque;
  return path ?? refuse(qmp, `it names no path for ${file}`);
}

/** Gives QEMU a file in a new set. */
async function handOver(qmp: QmpClient, path: string, signal: AbortSignal): Promise<number> {
  let set: number | undefined;
  for (const mode of ACCESS_MODES) {
    const descriptor = descriptorAddon().openBeneath(dirname(path), basename(path), mode);
    try {
      const id = set === undefined ? {} : { "fdset-id": set };
      const added = await qmp.executeWith("add-fd", { ...id, opaque: path }, descriptor, signal);
      set = added["fdset-id"];
    } catch (error) {
      if (set !== undefined) await forget(qmp, set, signal);
      throw error;
    } finally {
      close(descriptor, () => undefined);
    }
  }
  return set ?? refuse(qmp, "it took no descriptor");
}

/** A set that is left only costs two descriptors of the machine. */
async function forget(qmp: QmpClient, set: number, signal: AbortSignal): Promise<void> {
  await qmp.execute("remove-fd", { "fdset-id": set }, signal).catch(() => undefined);
}

async function activeSet(qmp: QmpClient, signal: AbortSignal): Promise<number | undefined> {
  return setOf(await activeFile(qmp, signal));
}

async function activeFile(qmp: QmpClient, signal: AbortSignal): Promise<string> {
  const blocks = await qmp.execute("query-block", undefined, signal);
  const file = blocks.find(({ device }) => device === DISK_ID)?.inserted?.file;
  return (file === undefined ? undefined : plainPath(file)) ?? refuse(qmp, "it names none");
}

function setOf(file: string): number | undefined {
  const number = SET.exec(file)?.[1];
  return number === undefined ? undefined : Number(number);
}

function refuse({ machine }: QmpClient, problem: string): never {
  const operation = `finding the disk of machine ${machine ?? "without a name"} in QEMU`;
  throw new WrennError("operation_failed", { operation, problem });
}
