import { CapsuleCreation } from "./capsule-creation.ts";
import type { QueuedTransactions } from "@wrenn/database";
import type { CapsuleCreationDeps, CapsuleCreationOptions } from "./capsule-creation.ts";
import { CapsuleChanges } from "./capsule-changes.ts";
import { CapsuleForks } from "./capsule-forks.ts";
import { CapsuleLifecycle } from "./capsule-lifecycle.ts";
import { CapsuleMeasurements } from "./capsule-measurements.ts";
import { CapsuleNetworks } from "./capsule-networks.ts";
import { CapsuleRows } from "./capsule-rows.ts";
import { CapsuleStarts } from "./capsule-starts.ts";
import type { CapsuleStartsDeps } from "./capsule-starts.ts";
import { CapsuleSnapshots } from "./capsule-snapshots.ts";
import { Checkpoints } from "./checkpoints.ts";
import type { ReportLimits } from "../hosts/report-limits.ts";
import type { StorageMeter } from "../hosts/storage-meter.ts";
import { Reservations } from "./reservations.ts";
import type { ReservationsDeps } from "./reservations.ts";
import { StorageQuota } from "./storage-quota.ts";
import { UnansweredCreates } from "./unanswered-creates.ts";
import type { UnansweredCreatesDeps } from "./unanswered-creates.ts";
import { TemplateUses } from "../templates/template-uses.ts";
import type { TemplateCopies } from "../templates/template-copies.ts";
import { RunningCapsules } from "./running-capsules.ts";

export type OpenCapsulesDeps = Omit<
  CapsuleCreationDeps,
  "copies" | "rows" | "reservations" | "starts" | "storageQuota" | "templateUses" | "unanswered"
> &
  Omit<CapsuleStartsDeps, "copies"> &
  Omit<ReservationsDeps, "unanswered"> &
  UnansweredCreatesDeps & {
    readonly copies: TemplateCopies;
    readonly meter: StorageMeter;
    readonly reports: ReportLimits;
    readonly transactions: QueuedTransactions;
  };

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
  readonly changes: CapsuleChanges;
  readonly measurements: CapsuleMeasurements;
  readonly unanswered: UnansweredCreates;
  readonly templateUses: TemplateUses;
  /** Ends the subscription to the hosts and waits for operations that were begun. */
  readonly close: () => Promise<void>;
}

/** Builds the parts in the order in which they depend on each other, and begins to record what hosts report. */
export function openCapsules(deps: OpenCapsulesDeps, options: CapsuleCreationOptions): Capsules {
  const rows = new CapsuleRows(deps);
  const storageQuota = new StorageQuota(deps);
  const unanswered = new UnansweredCreates(deps);
  const reservations = new Reservations({ ...deps, unanswered });
  const starts = new CapsuleStarts(deps);
  const templateUses = new TemplateUses(deps);
  const creation = new CapsuleCreation(
    { ...deps, rows, reservations, starts, storageQuota, templateUses, unanswered },
    options,
  );
  const lifecycle = new CapsuleLifecycle({ ...deps, rows, cancelCreation: (id) => creation.cancel(id) });
  const running = new RunningCapsules({ ...deps, rows, lifecycle });
  const changes = new CapsuleChanges({ ...deps, rows });
  const unsubscribe = lifecycle.followHosts();
  return {
    rows,
    creation,
    lifecycle,
    running,
    checkpoints: new Checkpoints({ ...deps, rows, storageQuota }),
    forks: new CapsuleForks({ ...deps, rows, storageQuota, unanswered }),
    snapshots: new CapsuleSnapshots({ ...deps, rows, storageQuota }),
    unanswered,
    measurements: new CapsuleMeasurements({ ...deps, rows }),
    networks: new CapsuleNetworks({ ...deps, rows, changes, running }),
    changes,
    templateUses,
    close: async () => {
      unsubscribe();
      await deps.operations.close();
      await templateUses.close();
    },
  };
}
