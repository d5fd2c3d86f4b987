import { systemClock, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { backupEmbedded, restoreEmbedded } from "@wrenn/database";
import type { BackupSummary, RestoreResult } from "@wrenn/database";
import { dataPaths } from "./config.ts";
import type { ServerConfig } from "./config.ts";
import { findServer } from "./server-record.ts";

export interface DatabaseCare {
  readonly config: ServerConfig;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Writes the embedded database to a file, whether or not a server runs.
 *
 * @throws WrennError `database_external`, `database_missing`.
 */
export async function backupDatabase(care: DatabaseCare, file: string): Promise<BackupSummary> {
  return await backupEmbedded(embedded(care), file, care.signal);
}

/**
 * Puts a backup in the place of the embedded database.
 *
 * @throws WrennError `server_already_runs`, and what {@link restoreEmbedded} throws.
 */
export async function restoreDatabase(
  care: DatabaseCare,
  file: string,
  options: { readonly replace: boolean },
): Promise<RestoreResult> {
  const cluster = embedded(care);
  const { dataDirectory } = care.config;
  const server = await findServer(dataPaths(dataDirectory).serverRecord);
  if (server) throw new WrennError("server_already_runs", { url: server.url, directory: dataDirectory });
  return await restoreEmbedded(cluster, file, options, care.signal);
}

function embedded({ config, logger }: DatabaseCare) {
  if (config.databaseUrl !== undefined) throw new WrennError("database_external", {});
  return {
    directory: dataPaths(config.dataDirectory).database,
    cacheDirectory: config.cacheDirectory,
    clock: systemClock,
    logger,
  };
}
