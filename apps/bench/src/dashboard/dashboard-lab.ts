import { startControlPlaneLab } from "../control-plane/lab.ts";
import type { ControlPlaneLab } from "../control-plane/lab.ts";
import { createAdministrator } from "./administrator.ts";
import type { Administrator } from "./administrator.ts";
import { builtDashboardOf } from "./built-dashboard.ts";

const CONNECTIONS = 8;

/** A control plane with its dashboard, an administrator, and capsules without machines. */
export interface DashboardLab {
  readonly url: string;
  readonly administrator: Administrator;
  readonly controlPlane: ControlPlaneLab;
}

/** @returns what `begin` makes of it; the control plane ends with its row. */
export async function withDashboardLab<T>(
  signal: AbortSignal,
  capsules: number,
  begin: (lab: DashboardLab) => Promise<T>,
): Promise<{ readonly begun: T; readonly dispose: () => Promise<void> }> {
  const dashboard = await builtDashboardOf(signal);
  const cacheDirectory = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
  const controlPlane = await startControlPlaneLab(cacheDirectory, { dashboard });
  try {
    const { url, firstAdminToken } = controlPlane;
    const administrator = await createAdministrator(url, firstAdminToken);
    await controlPlane.ask("POST", "/v1/capsules", CONNECTIONS, capsules);
    return { begun: await begin({ url, administrator, controlPlane }), dispose: () => controlPlane.close() };
  } catch (error) {
    await controlPlane.close();
    throw error;
  }
}
