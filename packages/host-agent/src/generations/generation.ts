import { join } from "node:path";

/**
 * A frozen moment of a capsule: the pages it changed since its template, its device state, and its disk. A generation is
 * complete by itself (decision 6): deleting one never touches another.
 */
export interface Generation {
  readonly id: string;
  readonly kind: "pause" | "checkpoint" | "fork";
  /** Given by the user, for checkpoints. */
  readonly name?: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Ids of the disk's layers, lowest first. */
  readonly layers: readonly string[];
  /** Size of the changed pages. */
  readonly memoryBytes: number;
  /** Identity of the hypervisor that saved the device state; no other can load it. */
  readonly hypervisor: string;
  /** The changed pages are kept compressed, and there is no plain file. */
  readonly packed?: true;
  /** Its machine was booted from the capsule's disk, so that its pages lie over empty memory instead of the template's. */
  readonly booted?: Boot;
  /** Nothing but the disk was kept: there are no files, and a machine starts from it by booting. */
  readonly diskOnly?: true;
}

/** A boot of a capsule's disk, with the kernel and the guest agent that its host had then. */
export interface Boot {
  /** Frequency of the host's counter that the guest was booted with, where guests read that counter for the time. */
  readonly clockKhz?: number;
  /** Whether the disk had to be checked and repaired, because it had not been unmounted. */
  readonly disk?: "clean" | "checked";
  /** Versions of kernel, VMM and guest agent. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Paths of a generation's files. */
export interface GenerationFiles {
  readonly directory: string;
  readonly memoryDiff: string;
  /** The compressed form of `memoryDiff`. */
  readonly memoryPacked: string;
  readonly deviceState: string;
  /** Checksums of both, written once they have been read back. */
  readonly checksums: string;
}

export function generationFiles(directory: string): GenerationFiles {
  return {
    directory,
    memoryDiff: join(directory, "memory.diff"),
    memoryPacked: join(directory, "memory.chunks"),
    deviceState: join(directory, "device-state"),
    checksums: join(directory, "checksums.json"),
  };
}
