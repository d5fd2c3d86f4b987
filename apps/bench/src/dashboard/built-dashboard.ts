import { fileURLToPath } from "node:url";
import { buildDashboard } from "@wrenn/host-setup";

const PROJECT = fileURLToPath(new URL("../../../../", import.meta.url));

/** The dashboard of this checkout, built where that is due. @returns its folder. */
export async function builtDashboardOf(signal: AbortSignal): Promise<string> {
  return await buildDashboard({ projectRoot: PROJECT, progress: () => {}, signal });
}
