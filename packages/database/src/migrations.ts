import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { problemOf, WrennError } from "@wrenn/core";
import { sql } from "kysely";
import type { Kysely } from "kysely";
import type { Migration, MigrationProvider } from "kysely/migration";

/** PostgreSQL's code for a table that does not exist. */
const UNDEFINED_TABLE = "42P01";
const directory = join(import.meta.dirname, "../migrations");

/** Plain SQL files, in the order of their numbers; they only ever go forward. */
const provider = (wanted: readonly string[]): MigrationProvider => ({
  getMigrations: async () => {
    const migrations: Record<string, Migration> = {};
    for (const file of wanted) {
      const text = await readMigration(file);
      migrations[file] = { up: async (db) => void (await sql.raw(text).execute(db)) };
    }
    return migrations;
  },
});

/** Names of the migrations that this version knows, in their order. */
export async function listMigrations(): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort();
}

/** Statements of one of them. */
export async function readMigration(name: string): Promise<string> {
  return await readFile(join(directory, name), "utf8");
}

/**
 * Brings a database to this version's schema. Several processes may do so at once: one works, the others wait.
 * With `wanted` only to the schema of these.
 *
 * @throws WrennError `operation_failed` naming the migration that failed; nothing of it remains.
 */
export async function migrate<T>(db: Kysely<T>, wanted?: readonly string[]): Promise<void> {
  const names = wanted ?? (await listMigrations());
  // Nearly always nothing is to be done: one statement shows it, where the migrator takes a lock and reads the catalogue.
  if (await isAtSchemaOf(db, names)) return;
  const { Migrator } = await import("kysely/migration");
  const { error, results } = await new Migrator({
    db,
    provider: provider(names),
    // Numbers are given out before the work is done: a lower one may come later.
    allowUnorderedMigrations: true,
  }).migrateToLatest();
  if (error === undefined) return;
  const failed = results?.find((result) => result.status === "Error")?.migrationName ?? "the migrations";
  throw new WrennError(
    "operation_failed",
    {
      operation: `migrating the database (${failed})`,
      problem: problemOf(error),
    },
    { cause: error },
  );
}

/** Whether exactly these migrations were done. A migration is recorded in its own transaction, so none of them is under way. */
async function isAtSchemaOf<T>(db: Kysely<T>, names: readonly string[]): Promise<boolean> {
  try {
    const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
    return rows.map(({ name }) => name).join() === names.toSorted().join();
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === UNDEFINED_TABLE) return false;
    throw error;
  }
}
