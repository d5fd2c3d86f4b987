import { system, user } from "./catalogue-entry.ts";

/** The part of the error catalogue about the care of the database. */
export const databaseErrors = {
  database_missing: user(
    "not_found",
    404,
    "there is no database in {directory}",
    "Set WRENN_DATA_DIR to the data directory of the server.",
  ),
  database_external: user(
    "invalid_request",
    400,
    "the database of DATABASE_URL is not in Wrenn's care",
    "Use pg_dump and pg_restore of its version; ./wrenn db is for the embedded database.",
  ),
  database_not_empty: user(
    "conflict",
    409,
    "there is a database in {directory} already",
    "Restore with --force to replace it; the replaced one is kept beside it.",
  ),
  backup_unreadable: user(
    "invalid_request",
    400,
    "{file} cannot be restored: {problem}",
    "Take another backup; this one changed nothing.",
  ),
  backup_too_new: user(
    "invalid_request",
    400,
    "{file} was made by a newer release: {migration} is not known here",
    "Install that release first.",
  ),
  backup_not_writable: system(
    "internal_error",
    500,
    "{file} cannot be written: {problem}",
    "Name a file in a directory that exists and has room.",
  ),
};
