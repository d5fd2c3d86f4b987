import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { findApiKey, findSandbox, openDatabase } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { sql } from "kysely";
import { Migrator } from "kysely/migration";

const first = "0001-initial.sql";
const team = "11111111-1111-4111-8111-111111111111";
const sandbox = "22222222-2222-4222-8222-222222222222";
const hash = "a".repeat(64);

const root = await mkdtemp("/tmp/wrenn-migrations-");
await chmod(root, 0o711);
after(() => rm(root, { recursive: true, force: true }));
const open = (): Promise<Database> =>
  openDatabase(
    {
      directory: join(root, "db"),
      cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
      logger: silentLogger,
    },
    AbortSignal.timeout(120_000),
  );

/** Turns a database into one of the first version. */
async function backToFirst({ db }: Database): Promise<void> {
  await sql`drop schema public cascade`.execute(db);
  await sql`create schema public`.execute(db);
  const text = await readFile(join(import.meta.dirname, "../migrations", first), "utf8");
  const provider = {
    getMigrations: async () => ({
      [first]: { up: async (tx: typeof db) => void (await sql.raw(text).execute(tx)) },
    }),
  };
  const { error } = await new Migrator({ db, provider }).migrateToLatest();
  assert.equal(error, undefined);
}

test("a database of the first version keeps its teams, keys and capsules, and its keys may do what they could", async () => {
  const old = await open();
  await backToFirst(old);
  await sql`insert into teams (id, name, slug) values (${team}, 'One', 'one')`.execute(old.db);
  await sql`insert into api_keys (id, team_id, name, key_hash, key_prefix)
    values (${crypto.randomUUID()}, ${team}, 'k', ${hash}, 'wrn_aaaaaa')`.execute(old.db);
  await sql`insert into sandboxes (id, team_id, template, status, vcpus, memory_mb, disk_mb, timeout_sec)
    values (${sandbox}, ${team}, 'minimal', 'running', 1, 512, 5120, 0)`.execute(old.db);
  await sql`insert into operations (id, sandbox_id, kind) values (${crypto.randomUUID()}, ${sandbox}, 'create')`.execute(
    old.db,
  );
  await old.close();

  const migrated = await open();
  try {
    const key = await findApiKey(migrated.db, hash, new Date());
    assert.equal(key?.teamId, team);
    assert.deepEqual(key.scopes, ["read", "run", "manage"]);
    const row = await findSandbox(migrated.db, team, sandbox);
    assert.equal(row?.status, "running");
    assert.equal(row.auto_resume, false);
    await sql`update operations set kind = 'pause'`.execute(migrated.db);
  } finally {
    await migrated.close();
  }
});
