import { problemOf } from "@wrenn/core";

/** Something on this host that nobody owns any more. */
export interface Orphan {
  readonly name: string;
  /** Why nobody owns it. */
  readonly reason: string;
  /** For how long it has existed. */
  readonly ageMs: number;
  readonly remove: () => Promise<void>;
}

/** Finds what one part of the system leaves when its owner is killed. */
export interface OrphanFinder {
  readonly kind: "machine" | "page-server" | "cgroup" | "network" | "build";
  readonly find: () => Promise<readonly Orphan[]>;
}

export interface SweepOptions {
  readonly finders: readonly OrphanFinder[];
  /** What exists for less than this may be in the middle of being made. */
  readonly graceMs: number;
  /** Only finds. */
  readonly dryRun: boolean;
}

/** What became of an orphan. */
export interface Swept {
  readonly kind: OrphanFinder["kind"];
  /** Empty when looking for this kind failed. */
  readonly name: string;
  readonly reason: string;
  readonly outcome: "found" | "removed" | "failed";
  readonly problem?: string;
}

/**
 * Removes what nobody owns. What a finder or a removal refuses is told and keeps the others from nothing; it is tried again
 * the next time.
 */
export async function sweepHost({ finders, graceMs, dryRun }: SweepOptions): Promise<readonly Swept[]> {
  const swept: Swept[] = [];
  for (const { kind, find } of finders) {
    try {
      const old = (await find()).filter(({ ageMs }) => ageMs >= graceMs);
      for (const orphan of old) swept.push({ kind, ...(await settle(orphan, dryRun)) });
    } catch (error) {
      const reason = "what there is of it cannot be found out";
      swept.push({ kind, name: "", reason, outcome: "failed", problem: problemOf(error) });
    }
  }
  return swept;
}

async function settle({ name, reason, remove }: Orphan, dryRun: boolean): Promise<Omit<Swept, "kind">> {
  if (dryRun) return { name, reason, outcome: "found" };
  try {
    await remove();
    return { name, reason, outcome: "removed" };
  } catch (error) {
    return { name, reason, outcome: "failed", problem: problemOf(error) };
  }
}
