import { CapsuleCreation } from "./capsule-creation.ts";
import type { CapsuleCreationDeps, CapsuleCreationOptions } from "./capsule-creation.ts";
import { CapsuleForks } from "./capsule-forks.ts";
import { CapsuleLifecycle } from "./capsule-lifecycle.ts";
import { CapsuleNetworks } from "./capsule-networks.ts";
import { CapsuleRows } from "./capsule-rows.ts";
import { CapsuleSnapshots } from "./capsule-snapshots.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Reservations } from "./reservations.ts";
import type { ReservationsDeps } from "./reservations.ts";
import { UnansweredCreates } from "./unanswered-creates.ts";
import type { UnansweredCreatesDeps } from "./unanswered-creates.ts";
import { RunningCapsules } from "./running-capsules.ts";

export type OpenCapsulesDeps = Omit<CapsuleCreationDeps, "rows" | "reservations" | "unanswered"> &
  Omit<ReservationsDeps, "unanswered"> &
  UnansweredCreatesDeps;

/** What the platform does with capsules, each part for those that need it. */
export interface Capsules {
  readonly rows: CapsuleRows;
  readonly creation: CapsuleCreation;
  readonly lifecycle: CapsuleLifecycle;
  readonly running: RunningCapsules;
  readonly checkpoints: Checkpoints;
  readonly forks: CapsuleForks;
  readonly snapshots: CapsuleSnapshots;
  readonly networks: CapsuleNetworks;
  readonly unanswered: UnansweredCreates;
  /** Ends the subscription to the hosts and waits for operations that were begun. */
  readonly close: () => Promise<void>;
}

/** Builds the parts in the order in which they depend on each other, and begins to record what hosts report. */
export function openCapsules(deps: OpenCapsulesDeps, options: CapsuleCreationOptions): Capsules {
  const rows = new CapsuleRows(deps);
  const unanswered = new UnansweredCreates(deps);
  const reservations = new Reservations({ ...deps, unanswered });
  const creation = new CapsuleCreation({ ...deps, rows, reservations, unanswered }, options);
  const lifecycle = new CapsuleLifecycle({ ...deps, rows, cancelCreation: (id) => creation.cancel(id) });
  const running = new RunningCapsules({ ...deps, rows, lifecycle });
  const unsubscribe = lifecycle.followHosts();
  return {
    rows,
    creation,
    lifecycle,
    running,
    checkpoints: new Checkpoints({ ...deps, rows }),
    forks: new CapsuleForks({ ...deps, rows, unanswered }),
    snapshots: new CapsuleSnapshots({ ...deps, rows }),
    unanswered,
    networks: new CapsuleNetworks({ ...deps, rows, running }),
    close: async () => {
      unsubscribe();
      await deps.operations.close();
    },
  };
}
