import { createHash } from "node:crypto";
import { WrennError } from "@wrenn/core";

/**
 * A backup is gzipped text. Its first line is a header; then, per table, a line `T name` and a line `R {json}` for each row as
 * PostgreSQL writes it; the last line `E {json}` counts the rows of each table and holds the SHA-256 of all lines before it.
 * Rows are JSON and not a dump of SQL, so that a file that somebody tampered with can put in data but run nothing.
 */
export interface BackupHeader {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** RFC 3339. */
  readonly created_at: string;
  /** Which the rows are of the schema of. */
  readonly migrations: readonly string[];
}

export interface BackupEnd {
  readonly rows: Readonly<Record<string, number>>;
  readonly sha256: string;
}

const FORMAT = "wrenn-database-backup";
const VERSION = 1;

export function backupHeader(createdAt: Date, migrations: readonly string[]): BackupHeader {
  return { format: FORMAT, version: VERSION, created_at: createdAt.toISOString(), migrations };
}

/** @throws WrennError `backup_unreadable` for anything that is not the header of a backup. */
export function parseHeader(file: string, line: string): BackupHeader {
  const header = parseObject(file, line) as Partial<BackupHeader>;
  const { format, version, migrations } = header;
  if (format !== FORMAT) throw unreadable(file, "it is not a backup of a Wrenn database");
  if (version !== VERSION) throw unreadable(file, `its format ${String(version)} is not known`);
  if (!Array.isArray(migrations) || !migrations.every((name) => typeof name === "string"))
    throw unreadable(file, "its header names no migrations");
  return header as BackupHeader;
}

/** @throws WrennError `backup_unreadable`. */
export function parseEnd(file: string, text: string): BackupEnd {
  const end = parseObject(file, text) as Partial<BackupEnd>;
  if (typeof end.sha256 !== "string" || typeof end.rows !== "object" || end.rows === null)
    throw unreadable(file, "its last line is malformed");
  return end as BackupEnd;
}

/** Digest of the lines of a backup, as they come. */
export class BackupDigest {
  readonly #hash = createHash("sha256");

  add(line: string): void {
    this.#hash.update(line).update("\n");
  }

  end(): string {
    return this.#hash.digest("hex");
  }
}

export function unreadable(file: string, problem: string, cause?: unknown): WrennError {
  return new WrennError("backup_unreadable", { file, problem }, { cause });
}

function parseObject(file: string, text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    throw unreadable(file, "it is not a backup of a Wrenn database", error);
  }
  throw unreadable(file, "it is not a backup of a Wrenn database");
}
