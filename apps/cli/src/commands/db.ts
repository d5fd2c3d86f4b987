import { chmod, mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { backupDatabase, createLog, readConfig, restoreDatabase } from "@wrenn/server";
import type { DatabaseMaintenance } from "@wrenn/server";
import { untilInterrupted } from "../until-interrupted.ts";

/** Writes the embedded database to a file; a running server goes on running. */
export async function backup(file: string): Promise<void> {
  const { tables, rows } = await backupDatabase(maintenance(), resolve(file));
  process.stdout.write(`backed up ${rows} rows of ${tables} tables to ${file}\n`);
}

/** Puts a backup in the place of the embedded database of a server that does not run. */
export async function restore(file: string, options: { readonly force?: boolean }): Promise<void> {
  const task = maintenance();
  const { dataDirectory } = task.config;
  await mkdir(dataDirectory, { recursive: true });
  // The database's user passes through here.
  await chmod(dataDirectory, 0o711);
  const { tables, rows, replaced } = await restoreDatabase(task, resolve(file), {
    replace: options.force === true,
  });
  process.stdout.write(`restored ${rows} rows of ${tables} tables from ${file}\n`);
  if (replaced !== undefined) process.stdout.write(`the database that was there is in ${replaced}\n`);
}

function maintenance(): DatabaseMaintenance {
  const stopping = new AbortController();
  void untilInterrupted().then(() => stopping.abort(new Error("interrupted")));
  return { config: readConfig(process.env), logger: createLog("text", "warn"), signal: stopping.signal };
}
