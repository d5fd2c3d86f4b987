import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { problemOf, WrennError } from "@wrenn/core";
import { sql } from "kysely";
import type { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import type { Migration, MigrationProvider } from "kysely/migration";

const directory = join(import.meta.dirname, "../migrations");

/** Plain SQL files, in the order of their numbers; they only ever go forward. */
const provider: MigrationProvider = {
  getMigrations: async () => {
    const migrations: Record<string, Migration> = {};
    for (const file of (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort()) {
      const text = await readFile(join(directory, file), "utf8");
      migrations[file] = { up: async (db) => void (await sql.raw(text).execute(db)) };
    }
    return migrations;
  },
};

/**
 * Brings a database to this version's schema. Several processes may do so at once: one works, the others wait.
 *
 * @throws WrennError `operation_failed` naming the migration that failed; nothing of it remains.
 */
export async function migrate<T>(db: Kysely<T>): Promise<void> {
  const { error, results } = await new Migrator({
    db,
    provider,
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
