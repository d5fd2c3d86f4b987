import type { Logger } from "@wrenn/core";
import { ClientPackages } from "./downloads/client-packages.ts";
import type { ClientPackageFiles } from "./downloads/client-packages.ts";
import { DashboardFiles } from "./dashboard/dashboard-files.ts";

export interface PagesOptions {
  readonly clientPackages?: ClientPackageFiles | undefined;
  readonly dashboard?: string | undefined;
  readonly logger: Logger;
}

export interface Pages {
  readonly clientPackages: ClientPackages;
  readonly dashboard: DashboardFiles;
}

/** What was built for browsers and client machines before the server started. */
export function openPages({ clientPackages, dashboard, logger }: PagesOptions): Pages {
  return {
    clientPackages: new ClientPackages(clientPackages),
    dashboard: new DashboardFiles(dashboard, logger),
  };
}
