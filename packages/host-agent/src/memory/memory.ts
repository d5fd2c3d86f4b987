import type { WrennError } from "@wrenn/core";
import type { Machine, ServedMemory } from "@wrenn/vmm";

/** What freezes the memory of machines and keeps it. */
export interface Memory {
  /** Writes the pages that a stopped machine's guest has changed since its template; returns the size of the file. */
  readonly save: (
    machine: Pick<Machine, "memoryRegion">,
    path: string,
    signal: AbortSignal,
  ) => Promise<number>;
  readonly packed: PackedMemory;
}

/** Frozen memory in its compressed form, and how machines get at it; the composition root knows. */
export interface PackedMemory {
  /** Writes the compressed form of a diff to `target`, durably. */
  pack(diff: string, target: string, signal: AbortSignal): Promise<void>;
  /** Writes the diff itself to `target`, byte for byte what was packed. @throws WrennError `snapshot_corrupt`. */
  unpack(packed: string, target: string, signal: AbortSignal): Promise<void>;
  /** Starts a page server for one machine. @throws WrennError `snapshot_corrupt`, `page_server_failed`. */
  serve(request: ServeRequest, signal: AbortSignal): Promise<ServedPages>;
}

export interface ServeRequest {
  readonly packed: string;
  /** The memory that the diff lies over. */
  readonly base: string;
  readonly memoryMib: number;
  /** Paths to make; the machine's user may use them, and they are gone after `stop`. */
  readonly machine: ServedMemory;
  readonly uid: number;
  /** The user of the page server. */
  readonly serverUid: number;
  /** File that remembers which pages a life needed first; read at the start, written once everything is there. */
  readonly workingSet: string;
}

/** The pages of one machine while some of them are still to come. */
export interface ServedPages {
  /** Begins to bring in all the rest. Call it once the machine runs. */
  fill(): void;
  /** Whether every page is in the machine, which needs no server from then on. */
  isComplete(): boolean;
  /**
   * Resolves, never rejects, when the server has ended: undefined when everything is there, or when the machine is gone. After
   * a failure the machine has ended, because a page that is missing stays missing.
   */
  readonly ended: Promise<WrennError<"page_server_failed"> | undefined>;
  /** Ends the server, and with it a machine that is not complete. Idempotent. */
  stop(): Promise<void>;
}
