import type { GenerationFiles } from "../../generations/generation.ts";
import type { PreparedMachine } from "../../machines/running-machine.ts";

/** What a machine starts from. */
export interface Origin {
  /** Changed pages and device state; without them the template's own. */
  readonly files?: GenerationFiles;
  /** The changed pages are there in compressed form only. */
  readonly packed?: boolean;
  /** A machine of the pool that has all of the template's state and lacks only a capsule. */
  readonly prepared?: PreparedMachine;
  /** Disk layers below the new overlay, lowest first. */
  readonly layers: readonly string[];
  /** The guest becomes somebody else: new name, new machine id. */
  readonly newIdentity: boolean;
}
