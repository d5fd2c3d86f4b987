import type { App } from "../http/app.ts";
import { ADMIN_CAPSULES, CAPSULES } from "./capsule-api.ts";
import { registerCapsuleChangeRoutes } from "./capsule-change-routes.ts";
import type { CapsuleChangeRoutesDeps } from "./capsule-change-routes.ts";
import { registerCapsuleLifecycleRoutes } from "./capsule-lifecycle-routes.ts";
import type { CapsuleLifecycleRoutesDeps } from "./capsule-lifecycle-routes.ts";
import { registerCapsuleMetricsRoutes, registerCapsuleMetricsStream } from "./capsule-metrics-routes.ts";
import type { CapsuleMetricsRoutesDeps, CapsuleMetricsStreamDeps } from "./capsule-metrics-routes.ts";
import { registerCapsuleRoutes } from "./capsule-routes.ts";
import type { CapsuleRoutesDeps } from "./capsule-routes.ts";
import { registerCheckpointRoutes } from "./checkpoint-routes.ts";
import type { CheckpointRoutesDeps } from "./checkpoint-routes.ts";
import { registerSnapshotAdminRoutes, registerSnapshotRoutes } from "./snapshot-routes.ts";
import type { SnapshotAdminRoutesDeps, SnapshotRoutesDeps } from "./snapshot-routes.ts";

export type CapsulesDeps = CapsuleRoutesDeps &
  CapsuleChangeRoutesDeps &
  CapsuleLifecycleRoutesDeps &
  CapsuleMetricsStreamDeps &
  CheckpointRoutesDeps &
  SnapshotRoutesDeps;

/** Capsules of the caller's team. */
export function registerCapsules(app: App, deps: CapsulesDeps): void {
  registerCapsuleRoutes(app, deps, CAPSULES);
  registerCapsuleChangeRoutes(app, deps, CAPSULES);
  registerCapsuleLifecycleRoutes(app, deps);
  registerCapsuleMetricsRoutes(app, deps, CAPSULES);
  registerCapsuleMetricsStream(app, deps);
  registerCheckpointRoutes(app, deps);
  registerSnapshotRoutes(app, deps);
}

export type CapsulesAdminDeps = CapsuleRoutesDeps &
  CapsuleChangeRoutesDeps &
  CapsuleMetricsRoutesDeps &
  SnapshotAdminRoutesDeps;

/** Capsules of the platform's team, in the scope of platform administrators. */
export function registerCapsulesAdmin(app: App, deps: CapsulesAdminDeps): void {
  registerCapsuleRoutes(app, deps, ADMIN_CAPSULES);
  registerCapsuleChangeRoutes(app, deps, ADMIN_CAPSULES);
  registerCapsuleMetricsRoutes(app, deps, ADMIN_CAPSULES);
  registerSnapshotAdminRoutes(app, deps);
}
