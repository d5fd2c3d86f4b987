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
