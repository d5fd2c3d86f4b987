import type { CapsuleSpec } from "@wrenn/protocol";
import type { Operation, Step } from "../steps.ts";
import type { Boot, Generation } from "../generations/generation.ts";
import type { FrozenTemplate } from "../templates/frozen-template.ts";

/**
 * What `capsule.json` keeps of a capsule across restarts of the host agent. `state` changes only when an operation is
 * complete, so that recovery knows whether to finish an interrupted operation or to roll it back.
 */
export interface CapsuleRecord {
  readonly version: 1;
  readonly spec: CapsuleSpec;
  readonly state: "creating" | "running" | "paused";
  /** The frozen template that its memory and disk lie over, for as long as it lives. */
  readonly template: FrozenTemplate;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** When its machine was started last, by a create or a resume, in milliseconds since the Unix epoch. */
  readonly runningSince?: number;
  /** Where the end of the run that began at `since` was moved to; both in milliseconds since the Unix epoch. */
  readonly runEnd?: { readonly since: number; readonly at: number };
  /** Number of the network slot, while it has one. */
  readonly slot?: number;
  /** How often a machine of the capsule was restored; the guest receives it as its restore count. */
  readonly restores: number;
  /** Number of the writable overlay, `disk/<n>.qcow2`. */
  readonly overlay: number;
  /** Ids of the frozen disk layers below the overlay, lowest first. */
  readonly layers: readonly string[];
  readonly generations: readonly Generation[];
  readonly nextGeneration: number;
  /** The generation that a resume starts from, for `paused`; the one it last started from, for `running`. */
  readonly current?: string;
  /** The running machine was booted from the capsule's disk; without it, its memory began as the template's. */
  readonly booted?: Boot;
  /** The machine's memory was not complete yet: if it has died, it goes back to `current`. */
  readonly served?: true;
}

/** When the present run of a capsule began, in milliseconds since the Unix epoch. */
export function startOfRun({ runningSince, createdAt }: CapsuleRecord): number {
  return runningSince ?? createdAt;
}

/** What `journal.json` says: the step that was about to be done, or that nothing is under way. */
export interface JournalEntry {
  readonly operation: Operation | "none";
  readonly step?: Step;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** Key of the template that a snapshot makes. */
  readonly template?: string;
  /** The disk layer below the overlay that a checkpoint switches to. */
  readonly layer?: string;
}
