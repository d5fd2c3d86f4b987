import type { CapsuleSpec } from "@wrenn/protocol";
import type { Operation, Step } from "../steps.ts";

/** What `capsule.json` keeps of a capsule across restarts of the host agent. */
export interface CapsuleRecord {
  readonly version: 1;
  readonly spec: CapsuleSpec;
  /** Content hash of the frozen template it started from. */
  readonly templateHash: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Number of the network slot, once it has one. */
  readonly slot?: number;
}

/** What `journal.json` says: the step that was about to be done, or that nothing is under way. */
export interface JournalEntry {
  readonly operation: Operation | "none";
  readonly step?: Step;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}
