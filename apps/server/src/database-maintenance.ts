import { systemClock, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { backupEmbedded, restoreEmbedded } from "@wrenn/database";
import type { BackupSummary, RestoreResult } from "@wrenn/database";
import { findServer } from "@wrenn/system";
import { dataPaths } from "./config/server-config.ts";
import type { ServerConfig } from "./config/server-config.ts";

export interface DatabaseMaintenance {
  readonly config: ServerConfig;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Writes the embedded database to a file, whether or not a server runs.
 *
 * @throws WrennError `database_external`, `database_missing`.
 */
export async function backupDatabase(task: DatabaseMaintenance, file: string): Promise<BackupSummary> {
  return await backupEmbedded(embedded(task), file, task.signal);
}

/**
 * Replaces the embedded database by a backup.
 *
 * @throws WrennError `server_already_runs`, and whatever {@link restoreEmbedded} throws.
 */
export async function restoreDatabase(
  task: DatabaseMaintenance,
  file: string,
  options: { readonly replace: boolean },
): Promise<RestoreResult> {
  const cluster = embedded(task);
  const { dataDirectory } = task.config;
  const server = await findServer(dataPaths(dataDirectory).serverRecord);
  if (server) throw new WrennError("server_already_runs", { url: server.url, directory: dataDirectory });
  return await restoreEmbedded(cluster, file, options, task.signal);
}

function embedded({ config, logger }: DatabaseMaintenance) {
  if (config.databaseUrl !== undefined) throw new WrennError("database_external", {});
  return {
    directory: dataPaths(config.dataDirectory).database,
    cacheDirectory: config.cacheDirectory,
    clock: systemClock,
    logger,
  };
}
