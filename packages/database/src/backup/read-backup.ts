import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { WrennError } from "@wrenn/core";
import pg from "pg";
import { singleClient } from "../connections.ts";
import { BackupDigest, parseEnd, parseHeader, unreadable } from "./format.ts";
import type { BackupHeader } from "./format.ts";
import { dataTables } from "./write-backup.ts";
import type { BackupSummary } from "./write-backup.ts";

/** A row is a few hundred bytes; a line that is longer is not of a backup. */
const LINE_LIMIT = 16 << 20;
/** Rows that are put in at once, and about how many bytes of them. */
const BATCH_ROWS = 500;
const BATCH_BYTES = 4 << 20;

/** Reads the header only. @throws WrennError `backup_unreadable`. */
export async function readBackupHeader(file: string, signal: AbortSignal): Promise<BackupHeader> {
  for await (const line of linesOf(file, signal)) return parseHeader(file, line);
  throw unreadable(file, "it is empty");
}

/**
 * Puts the rows of a backup into a database that has exactly the schema of the backup; all of them, or none.
 *
 * @throws WrennError `backup_unreadable` for a file that is cut short, was changed, or does not fit.
 */
export async function loadBackup(
  connection: pg.ClientConfig,
  file: string,
  signal: AbortSignal,
): Promise<BackupSummary> {
  const client = singleClient(connection);
  await client.connect();
  try {
    await client.query("begin");
    // Rows come in the order of the tables' names: references hold at the end, and triggers ran when the rows were new.
    await client.query("set local session_replication_role = replica");
    const tables = await dataTables(client);
    await client.query(
      `truncate ${tables.map((table) => `public.${pg.escapeIdentifier(table)}`).join(", ")}`,
    );
    const loader = new Loader(client, file, new Set(tables));
    for await (const line of linesOf(file, signal)) await loader.take(line);
    const summary = loader.summary();
    await goOnCounting(client);
    await client.query("commit");
    return summary;
  } catch (error) {
    if (error instanceof pg.DatabaseError) throw unreadable(file, error.message, error);
    throw error;
  } finally {
    await client.end();
  }
}

/** Takes the lines of a backup one after the other. */
class Loader {
  readonly #client: pg.Client;
  readonly #file: string;
  readonly #tables: ReadonlySet<string>;
  readonly #digest = new BackupDigest();
  readonly #counts = new Map<string, number>();
  #batch: string[] = [];
  #batchBytes = 0;
  #insert: string | undefined;
  #table = "";
  #first = true;
  #ended = false;

  constructor(client: pg.Client, file: string, tables: ReadonlySet<string>) {
    this.#client = client;
    this.#file = file;
    this.#tables = tables;
  }

  async take(line: string): Promise<void> {
    if (this.#ended) throw unreadable(this.#file, "something follows its end");
    if (line.startsWith("E ")) {
      await this.#flush();
      this.#verify(line.slice(2));
      return;
    }
    this.#digest.add(line);
    if (this.#first) {
      this.#first = false;
      parseHeader(this.#file, line);
    } else if (line.startsWith("T ")) await this.#begin(line.slice(2));
    else if (line.startsWith("R ") && this.#insert !== undefined) {
      this.#batch.push(line.slice(2));
      this.#batchBytes += line.length;
      if (this.#batch.length >= BATCH_ROWS || this.#batchBytes >= BATCH_BYTES) await this.#flush();
    } else throw unreadable(this.#file, "it has a line that is neither a table nor a row");
  }

  /** @throws WrennError `backup_unreadable` when the end did not come. */
  summary(): BackupSummary {
    if (!this.#ended) throw unreadable(this.#file, "it is cut short");
    return { tables: this.#counts.size, rows: this.#counts.values().reduce((sum, rows) => sum + rows, 0) };
  }

  async #begin(table: string): Promise<void> {
    await this.#flush();
    if (!this.#tables.has(table) || this.#counts.has(table))
      throw unreadable(this.#file, `it has a table '${table.slice(0, 64)}' that does not belong there`);
    const name = `public.${pg.escapeIdentifier(table)}`;
    const { rows } = await this.#client.query<{ column_name: string }>(
      `select column_name from information_schema.columns
        where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER' order by ordinal_position`,
      [table],
    );
    const columns = rows.map((row) => pg.escapeIdentifier(row.column_name)).join(", ");
    this.#insert = `insert into ${name} (${columns}) overriding system value
      select ${columns} from json_populate_recordset(null::${name}, $1::json)`;
    this.#table = table;
    this.#counts.set(table, 0);
  }

  async #flush(): Promise<void> {
    if (this.#batch.length === 0 || this.#insert === undefined) return;
    await this.#client.query(this.#insert, [`[${this.#batch.join(",")}]`]);
    this.#counts.set(this.#table, (this.#counts.get(this.#table) ?? 0) + this.#batch.length);
    this.#batch = [];
    this.#batchBytes = 0;
  }

  #verify(text: string): void {
    const { rows, sha256 } = parseEnd(this.#file, text);
    if (sha256 !== this.#digest.end()) throw unreadable(this.#file, "its checksum is wrong");
    if (JSON.stringify(Object.entries(rows)) !== JSON.stringify([...this.#counts]))
      throw unreadable(this.#file, "it does not have the rows that it counts");
    this.#ended = true;
  }
}

/** Numbers that the database gives out go on after the largest there is. */
async function goOnCounting(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ table_name: string; column_name: string }>(
    `select table_name, column_name from information_schema.columns
      where table_schema = 'public' and pg_get_serial_sequence(format('public.%I', table_name), column_name) is not null`,
  );
  for (const { table_name: table, column_name: column } of rows) {
    const [name, field] = [`public.${pg.escapeIdentifier(table)}`, pg.escapeIdentifier(column)];
    await client.query(
      `select setval(pg_get_serial_sequence($1, $2), coalesce((select max(${field}) from ${name}), 0) + 1, false)`,
      [name, column],
    );
  }
}

/** Lines of a gzipped file. @throws WrennError `backup_unreadable`. */
async function* linesOf(file: string, signal: AbortSignal): AsyncGenerator<string> {
  const text = createGunzip();
  const reading = pipeline(createReadStream(file), text, { signal });
  // What fails here fails in the loop below, too, which tells it.
  reading.catch(() => undefined);
  let rest = "";
  try {
    for await (const chunk of text.setEncoding("utf8")) {
      const pieces = (rest + String(chunk)).split("\n");
      rest = pieces.pop() ?? "";
      if (rest.length > LINE_LIMIT) throw unreadable(file, "it has a line that is too long");
      yield* pieces;
    }
  } catch (error) {
    if (error instanceof WrennError) throw error;
    signal.throwIfAborted();
    throw unreadable(file, error instanceof Error ? error.message : String(error), error);
  } finally {
    text.destroy();
  }
  if (rest !== "") throw unreadable(file, "it is cut short");
}
