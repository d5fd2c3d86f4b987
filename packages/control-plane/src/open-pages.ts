import type { Logger, Random } from "@wrenn/core";
import { ClientPackages } from "./downloads/client-packages.ts";
import type { ClientPackageFiles } from "./downloads/client-packages.ts";
import { DashboardFiles } from "./dashboard/dashboard-files.ts";
import { DashboardPage } from "./dashboard/dashboard-page.ts";

export interface PagesOptions {
  readonly clientPackages?: ClientPackageFiles | undefined;
  readonly dashboard?: string | undefined;
  readonly logger: Logger;
  readonly random: Random;
}

export interface Pages {
  readonly clientPackages: ClientPackages;
  readonly dashboard: DashboardFiles;
  readonly dashboardPage: DashboardPage;
}

/** What was built for browsers and client machines before the server started. */
export function openPages({ clientPackages, dashboard, logger, random }: PagesOptions): Pages {
  const files = new DashboardFiles(dashboard, logger);
  return {
    clientPackages: new ClientPackages(clientPackages),
    dashboard: files,
    dashboardPage: new DashboardPage(files, random),
  };
}
