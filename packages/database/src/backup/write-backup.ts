import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { WrennError } from "@wrenn/core";
import { syncDirectory } from "@wrenn/system";
import pg from "pg";
import { singleClient } from "../connections.ts";
import { backupHeader, BackupDigest } from "./format.ts";

/** Rows that are fetched at once. */
const FETCH = 500;
/** Only its owner reads a backup: it holds the hashes of keys and passwords, and the keys that sign tokens. */
const MODE = 0o600;

export interface BackupSummary {
  readonly tables: number;
  readonly rows: number;
}

/**
 * Writes every row of a database, as of one moment, to a file that is there whole or not at all. The database may be in use.
 *
 * @throws WrennError `backup_not_writable`.
 */
export async function writeBackup(
  connection: pg.ClientConfig,
  file: string,
  now: Date,
  signal: AbortSignal,
): Promise<BackupSummary> {
  const client = singleClient(connection);
  await client.connect();
  const partial = `${file}.${randomUUID()}.partial`;
  const counts = new Map<string, number>();
  try {
    await client.query("begin isolation level repeatable read read only");
    await using target = await open(partial, "w", MODE);
    await pipeline(
      Readable.from(blocks(linesOf(client, counts, now))),
      createGzip(),
      async (packed: AsyncIterable<Uint8Array>) => await target.writeFile(packed),
      { signal },
    );
    await target.sync();
    await rename(partial, file);
    await syncDirectory(dirname(file));
  } catch (error) {
    await rm(partial, { force: true });
    if (error instanceof Error && "syscall" in error)
      throw new WrennError("backup_not_writable", { file, problem: error.message }, { cause: error });
    throw error;
  } finally {
    await client.end();
  }
  return { tables: counts.size, rows: counts.values().reduce((sum, rows) => sum + rows, 0) };
}

async function* linesOf(client: pg.Client, counts: Map<string, number>, now: Date): AsyncGenerator<string> {
  const digest = new BackupDigest();
  const hashed = (line: string): string => {
    digest.add(line);
    return line;
  };
  const migrations = await column(client, "select name from kysely_migration order by name");
  yield hashed(JSON.stringify(backupHeader(now, migrations)));
  for (const table of await dataTables(client)) {
    yield hashed(`T ${table}`);
    const name = pg.escapeIdentifier(table);
    await client.query(`declare rows no scroll cursor for select row_to_json(t)::text from public.${name} t`);
    counts.set(table, 0);
    for (;;) {
      const rows = await column(client, `fetch ${FETCH} from rows`);
      for (const row of rows) yield hashed(`R ${row}`);
      counts.set(table, (counts.get(table) ?? 0) + rows.length);
      if (rows.length < FETCH) break;
    }
    await client.query("close rows");
  }
  yield `E ${JSON.stringify({ rows: Object.fromEntries(counts), sha256: digest.end() })}`;
}

/** Tables that hold data; what says which migrations there were is not data. */
export async function dataTables(client: pg.Client): Promise<readonly string[]> {
  return await column(
    client,
    `select tablename from pg_tables where schemaname = 'public' and tablename not like 'kysely\\_%' order by tablename`,
  );
}

async function* blocks(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let block = "";
  for await (const line of lines) {
    block += `${line}\n`;
    if (block.length < 1 << 16) continue;
    yield block;
    block = "";
  }
  yield block;
}

/** The only column of a query's rows. */
async function column(client: pg.Client, query: string): Promise<readonly string[]> {
  const { rows } = await client.query<[string]>({ text: query, rowMode: "array" });
  return rows.map(([value]) => value);
}
