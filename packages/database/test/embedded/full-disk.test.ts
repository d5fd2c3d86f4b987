import assert from "node:assert/strict";
import { chmod, mkdtemp, open, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { openDatabase } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { hasCode, runCommand } from "@wrenn/system";
import { sql } from "kysely";

/* The database on a small file system that other programs fill to the last byte. */

const MIB = 2 ** 20;
const BALLAST_BYTES = 128 * MIB;
let root: string;
let database: Database;

before(async () => {
  root = await mkdtemp("/tmp/wrenn-db-");
  await runCommand(["mount", "-t", "tmpfs", "-o", "size=640m,mode=711", "tmpfs", root]);
  await chmod(root, 0o711);
  database = await openDatabase(
    {
      directory: join(root, "db"),
      cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
      ballastBytes: BALLAST_BYTES,
      logger: silentLogger,
    },
    AbortSignal.timeout(120_000),
  );
});
after(async () => {
  await database.close();
  await runCommand(["umount", root]);
  await rm(root, { recursive: true, force: true });
});

const freeBytes = async (): Promise<number> => {
  const { bavail, bsize } = await statfs(root);
  return bavail * bsize;
};
const ballast = async (): Promise<number> =>
  await stat(join(root, "db/ballast")).then(
    ({ blocks }) => blocks * 512,
    () => 0,
  );

/** Writes until the file system has no room at all. */
async function fill(path: string): Promise<void> {
  await using file = await open(path, "w");
  const part = Buffer.alloc(MIB, 1);
  try {
    for (;;) await file.writeFile(part);
  } catch (error) {
    if (!hasCode(error, "ENOSPC")) throw error;
  }
}

test("the database commits on a full disk, and has its ballast again when there is room", async () => {
  await sql`create table notes (text text not null)`.execute(database.db);
  await eventually("the ballast is allocated", async () => (await ballast()) >= BALLAST_BYTES);
  await fill(join(root, "filler"));
  await eventually("the ballast is released", async () => (await freeBytes()) > BALLAST_BYTES / 2);
  assert.equal(await ballast(), 0);
  // Much more than what is free in its files: the tables grow.
  for (let n = 0; n < 16; n++)
    await sql`insert into notes select string_agg(md5(random()::text), '') from generate_series(1, 32768)`.execute(
      database.db,
    );
  const { rows } = await sql<{ bytes: string }>`select sum(length(text)) as bytes from notes`.execute(
    database.db,
  );
  assert.equal(Number(rows[0]?.bytes), 16 * MIB);
  await rm(join(root, "filler"));
  await eventually("the ballast is allocated", async () => (await ballast()) >= BALLAST_BYTES);
});
