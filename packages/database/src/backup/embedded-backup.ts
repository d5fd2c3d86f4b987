import { rename, rm } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { Kysely, PostgresDialect } from "kysely";
import { openPool, singleClient } from "../connections.ts";
import { hasCluster, runningEmbeddedServer, startEmbeddedServer } from "../embedded-server.ts";
import type { EmbeddedServer } from "../embedded-server.ts";
import { listMigrations, migrate } from "../migrations.ts";
import { loadBackup, readBackupHeader } from "./read-backup.ts";
import { writeBackup } from "./write-backup.ts";
import type { BackupSummary } from "./write-backup.ts";

export interface ClusterOptions {
  /** Of the cluster. */
  readonly directory: string;
  readonly cacheDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Backs up the embedded database to a file. A server that runs goes on running; otherwise one is started for it.
 *
 * @throws WrennError `database_missing` when there is none.
 */
export async function backupEmbedded(
  options: ClusterOptions,
  file: string,
  signal: AbortSignal,
): Promise<BackupSummary> {
  const { directory, clock } = options;
  if (!(await hasCluster(directory))) throw new WrennError("database_missing", { directory });
  const running = await runningEmbeddedServer(directory, signal);
  if (running) return await writeBackup(running, file, new Date(clock.now()), signal);
  const server = await startEmbeddedServer(options, signal);
  try {
    return await writeBackup(server.connection, file, new Date(clock.now()), signal);
  } finally {
    // A platform that was started meanwhile has taken the server over.
    if (!(await isUsed(server.connection))) await server.close();
  }
}

export interface RestoreResult extends BackupSummary {
  /** Where the database that was replaced is now. */
  readonly replaced?: string;
}

/**
 * Makes the embedded database of a backup. It is put together beside the present one and takes its place when it is complete;
 * the replaced one is kept. The caller makes sure that no platform runs.
 *
 * @throws WrennError `backup_unreadable`, `backup_too_new`, `database_not_empty` unless it is to be replaced.
 */
export async function restoreEmbedded(
  options: ClusterOptions,
  file: string,
  { replace }: { readonly replace: boolean },
  signal: AbortSignal,
): Promise<RestoreResult> {
  const { directory, clock } = options;
  const { migrations } = await readBackupHeader(file, signal);
  const known = await listMigrations();
  const unknown = migrations.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new WrennError("backup_too_new", { file, migration: unknown });
  const present = await hasCluster(directory);
  if (present && !replace) throw new WrennError("database_not_empty", { directory });
  // One whose owner was killed would go on writing.
  if (await runningEmbeddedServer(directory, signal))
    await (await startEmbeddedServer(options, signal)).close();

  const staging = `${directory}.restoring`;
  await rm(staging, { recursive: true, force: true });
  try {
    const summary = await fill({ ...options, directory: staging }, file, migrations, signal);
    const replaced = `${directory}.replaced-${new Date(clock.now()).toISOString().replaceAll(":", "-")}`;
    if (present) await rename(directory, replaced);
    else await rm(directory, { recursive: true, force: true });
    await rename(staging, directory);
    return { ...summary, ...(present ? { replaced } : {}) };
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
}

async function fill(
  options: ClusterOptions,
  file: string,
  migrations: readonly string[],
  signal: AbortSignal,
): Promise<BackupSummary> {
  const server = await startEmbeddedServer(options, signal);
  try {
    await migrateServer(server, migrations);
    const summary = await loadBackup(server.connection, file, signal);
    await migrateServer(server);
    return summary;
  } finally {
    await server.close();
  }
}

async function migrateServer(server: EmbeddedServer, wanted?: readonly string[]): Promise<void> {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: openPool({ ...server.connection, max: 2 }, () => {}) }),
  });
  try {
    await migrate(db, wanted);
  } finally {
    await db.destroy();
  }
}

async function isUsed(connection: EmbeddedServer["connection"]): Promise<boolean> {
  const client = singleClient(connection);
  await client.connect();
  try {
    const { rows } = await client.query<{ others: string }>(
      "select count(*) as others from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    );
    return Number(rows[0]?.others) > 0;
  } finally {
    await client.end();
  }
}
