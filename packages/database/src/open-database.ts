import { join } from "node:path";
import type { Logger } from "@wrenn/core";
import { Kysely, PostgresDialect, sql } from "kysely";
import type { PoolConfig } from "pg";
import { Ballast } from "./ballast.ts";
import { openPool } from "./connections.ts";
import { startEmbeddedServer } from "./embedded-server.ts";
import { listen } from "./listener.ts";
import type { Listening } from "./listener.ts";
import { migrate } from "./migrations.ts";
import type { Db, Schema } from "./schema.ts";
import { columnTypes } from "./timestamps.ts";

const POOL_SIZE = 16;
/** Of the connections that confirm access: one that is slow does not hold up the next. */
const ACCESS_POOL_SIZE = 2;
/** What confirms access is asked again later: a connection is not kept by a question that nobody waits for. */
const ACCESS_MS = 4000;

export interface DatabaseOptions {
  /** Where the embedded server keeps its cluster; unused with `databaseUrl`. */
  readonly directory: string;
  /** Where its programs are put. */
  readonly cacheDirectory: string;
  /** A PostgreSQL of the operator's own, version 15 or newer. */
  readonly databaseUrl?: string;
  /** Bytes kept for the embedded server until its disk is full; default: none. */
  readonly ballastBytes?: number;
  readonly logger: Logger;
}

/** An open, migrated database. */
export interface Database {
  readonly db: Db;
  /** Connections that confirm access only: whoever keeps those of `db` busy ends nobody's access. A statement has 4 s. */
  readonly accessDb: Db;
  /** Hears a topic's notifications; see {@link listen}. */
  listen(topic: string, onPayload: (payload: string | undefined) => void): Listening;
  /** Closes the connections, and stops the embedded server. */
  close(): Promise<void>;
}

/** Opens the database that is configured, or the embedded one. */
export async function openDatabase(options: DatabaseOptions, signal: AbortSignal): Promise<Database> {
  const embedded = options.databaseUrl === undefined ? await startEmbeddedServer(options, signal) : undefined;
  const connection = embedded ? embedded.connection : { connectionString: options.databaseUrl };
  const connect = (config: PoolConfig): Db => {
    const pool = openPool({ ...connection, ...config, types: columnTypes }, (error) =>
      options.logger.warn("database.connection_lost", { problem: error.message }),
    );
    return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  };
  const db = connect({ max: POOL_SIZE });
  const accessDb = connect({
    max: ACCESS_POOL_SIZE,
    connectionTimeoutMillis: ACCESS_MS,
    statement_timeout: ACCESS_MS,
  });
  const ballast =
    embedded && options.ballastBytes !== undefined
      ? new Ballast(options, { path: join(options.directory, "ballast"), bytes: options.ballastBytes })
      : undefined;
  const close = async (): Promise<void> => {
    await ballast?.close();
    await accessDb.destroy();
    await db.destroy();
    await embedded?.close();
  };
  try {
    await migrate(db);
    return {
      db,
      accessDb,
      close,
      listen: (topic, onPayload) => listen(connection, topic, onPayload, options.logger),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Rejects unless the database answers. */
export async function pingDatabase(db: Db): Promise<void> {
  await sql`select 1`.execute(db);
}
