import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { apiKeyQueries, capsuleQueries, hostQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";
import { sql } from "kysely";
import { Migrator } from "kysely/migration";
import { listMigrations, migrate } from "../src/migrations.ts";

const migrations = join(import.meta.dirname, "../migrations");

/** Puts something else in the place of a database. */
async function replaceBy(files: TestDatabase, fill: (database: Database) => Promise<void>): Promise<void> {
  const old = await files.open();
  try {
    await sql`drop schema public cascade`.execute(old.db);
    await sql`create schema public`.execute(old.db);
    await fill(old);
  } finally {
    await old.close();
  }
}

/** Everything that makes a schema, apart from the order in which it came about. */
async function schemaOf({ db }: Database): Promise<readonly string[]> {
  const { rows } = await sql<{ line: string }>`
    select format('%s.%s %s null=%s default=%s', table_name, column_name, udt_name, is_nullable, column_default) as line
      from information_schema.columns where table_schema = 'public'
    union all select indexdef from pg_indexes where schemaname = 'public'
    union all select format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
      where connamespace = 'public'::regnamespace and contype <> 'n'
    union all select format('%s %s', tgrelid::regclass, pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal`.execute(
    db,
  );
  return rows.map(({ line }) => line).sort();
}

test("an empty database gets every migration, once", async () => {
  await using files = await TestDatabase.create();
  for (let opened = 0; opened < 2; opened++) {
    const database = await files.open();
    const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(
      database.db,
    );
    await database.close();
    assert.deepEqual(
      rows.map(({ name }) => name),
      (await readdir(migrations)).sort(),
    );
  }
});

test("a database of the first version keeps its teams, keys and capsules, and its keys may do what they could", async () => {
  const first = "0001-initial.sql";
  const team = "11111111-1111-4111-8111-111111111111";
  const capsule = "22222222-2222-4222-8222-222222222222";
  const hash = "a".repeat(64);
  await using files = await TestDatabase.create();
  await replaceBy(files, async ({ db }) => {
    const text = await readFile(join(migrations, first), "utf8");
    const provider = {
      getMigrations: async () => ({
        [first]: { up: async (trx: typeof db) => void (await sql.raw(text).execute(trx)) },
      }),
    };
    const { error } = await new Migrator({ db, provider }).migrateToLatest();
    assert.equal(error, undefined);
    await sql`insert into teams (id, name, slug) values (${team}, 'One', 'one')`.execute(db);
    await sql`insert into api_keys (id, team_id, name, key_hash, key_prefix)
      values (${crypto.randomUUID()}, ${team}, 'k', ${hash}, 'wrn_aaaaaa')`.execute(db);
    await sql`insert into sandboxes (id, team_id, template, status, vcpus, memory_mb, disk_mb, timeout_sec)
      values (${capsule}, ${team}, 'minimal', 'running', 1, 512, 5120, 0)`.execute(db);
    await sql`insert into operations (id, sandbox_id, kind) values (${crypto.randomUUID()}, ${capsule}, 'create')`.execute(
      db,
    );
  });
  const migrated = await files.open();
  try {
    const key = await apiKeyQueries.findApiKey(migrated.db, hash, new Date());
    assert.equal(key?.teamId, team);
    assert.deepEqual(key.scopes, ["read", "run", "manage", "ports", "egress"]);
    const row = await capsuleQueries.findCapsule(migrated.db, team, capsule);
    assert.equal(row?.status, "running");
    assert.equal(row.auto_resume, false);
    await sql`update operations set kind = 'pause'`.execute(migrated.db);
  } finally {
    await migrated.close();
  }
});

test("a filled database of the release before keeps every row, and gets the schema of a new one", async () => {
  const dump = await readFile(join(import.meta.dirname, "previous/0007.sql"), "utf8");
  await using files = await TestDatabase.create();
  const fresh = await files.open();
  const wanted = await schemaOf(fresh);
  await fresh.close();
  await replaceBy(files, async ({ db }) => {
    await sql.raw(dump).execute(db);
    await sql`update public.api_keys set scopes = '{read,manage}' where name = 'old'`.execute(db);
  });

  const migrated = await files.open();
  try {
    assert.deepEqual(await schemaOf(migrated), wanted);
    const inserted = Map.groupBy(dump.matchAll(/^INSERT INTO public\.(\w+) /gm), ([, table = ""]) => table);
    inserted.delete("kysely_migration");
    assert.ok(inserted.size >= 15, `${inserted.size} tables`);
    for (const [table, rows] of inserted) {
      const counted = await sql<{ count: string }>`select count(*) from ${sql.table(table)}`.execute(
        migrated.db,
      );
      assert.equal(Number(counted.rows[0]?.count), rows.length, table);
    }
    const keys = await sql<{ name: string; scopes: string[] }>`select name, scopes from api_keys`.execute(
      migrated.db,
    );
    assert.deepEqual(Object.fromEntries(keys.rows.map(({ name, scopes }) => [name, scopes])), {
      // A key that could run capsules could make ports reachable, too.
      "First key": ["read", "run", "manage", "ports", "egress"],
      ci: ["read", "run", "ports", "egress"],
      old: ["read", "manage"],
    });
    // What was there before there were hosts belongs to the one that there was.
    const host = crypto.randomUUID();
    await hostQueries.putLocalHost(migrated.db, host, {
      arch: "amd64",
      cpuCores: 2,
      memoryMib: 4096,
      diskGb: 100,
    });
    const capsules = await capsuleQueries.listHostCapsules(migrated.db, host);
    assert.deepEqual(capsules.map(({ status }) => status).sort(), [
      "paused",
      "running",
      "running",
      "running",
    ]);
    assert.deepEqual(new Set(capsules.map((row) => row.max_lifetime_sec)), new Set([0]));
    assert.deepEqual(
      capsules.filter((row) => row.auto_resume).map(({ status }) => status),
      ["paused"],
    );
  } finally {
    await migrated.close();
  }
});

test("hosts of teams that registered with an earlier version are reached at no address that only they named", async () => {
  await using files = await TestDatabase.create();
  const team = crypto.randomUUID();
  await replaceBy(files, async ({ db }) => {
    await migrate(
      db,
      (await listMigrations()).filter((name) => name < "0021"),
    );
    await sql`insert into teams (id, name, slug) values (${team}, 'One', 'one')`.execute(db);
    for (const [type, owner, address] of [
      ["byoc", team, "10.0.0.5:8090"],
      ["regular", null, "10.0.0.6:8090"],
      ["regular", null, "[fd12::1]:8090"],
    ])
      await sql`insert into hosts (id, type, team_id, status, address)
        values (${crypto.randomUUID()}, ${type}, ${owner}, 'online', ${address})`.execute(db);
  });
  const migrated = await files.open();
  try {
    const { rows } = await sql<{ address: string; registered_from: string | null }>`
      select address, registered_from from hosts`.execute(migrated.db);
    assert.deepEqual(Object.fromEntries(rows.map((row) => [row.address, row.registered_from])), {
      "10.0.0.5:8090": null,
      "10.0.0.6:8090": "10.0.0.6",
      "[fd12::1]:8090": "fd12::1",
    });
  } finally {
    await migrated.close();
  }
});

test("keys and invitations that former members left in a database of an earlier version end with the upgrade", async () => {
  await using files = await TestDatabase.create();
  const [team, member, former, disabled] = [1, 2, 3, 4].map(() => crypto.randomUUID());
  await replaceBy(files, async ({ db }) => {
    await migrate(
      db,
      (await listMigrations()).filter((name) => name < "0019"),
    );
    await sql`insert into teams (id, name, slug) values (${team}, 'One', 'one')`.execute(db);
    for (const [user, status] of [
      [member, "active"],
      [former, "active"],
      [disabled, "disabled"],
    ]) {
      await sql`insert into users (id, email, name, password_hash, status)
        values (${user}, ${`${user}@example.org`}, 'n', 'h', ${status})`.execute(db);
      if (user !== former)
        await sql`insert into memberships (user_id, team_id, role) values (${user}, ${team}, 'admin')`.execute(
          db,
        );
      await sql`insert into invitations (id, team_id, email, role, invited_by, expires_at)
        values (${crypto.randomUUID()}, ${team}, ${`of-${user}@example.org`}, 'admin', ${user}, now() + '1 day')`.execute(
        db,
      );
    }
    for (const creator of [member, former, disabled, null])
      await sql`insert into api_keys (id, team_id, name, key_hash, key_prefix, created_by)
        values (${crypto.randomUUID()}, ${team}, 'k', ${createHash("sha256").update(String(creator)).digest("hex")}, 'wrn_aaaaaa', ${creator})`.execute(
        db,
      );
  });
  const migrated = await files.open();
  try {
    const keys = await sql<{ created_by: string | null }>`select created_by from api_keys`.execute(
      migrated.db,
    );
    assert.deepEqual(new Set(keys.rows.map((row) => row.created_by)), new Set([member, null]));
    const invitations = await sql<{ invited_by: string }>`select invited_by from invitations`.execute(
      migrated.db,
    );
    assert.ok(invitations.rows.every((row) => row.invited_by !== former));
  } finally {
    await migrated.close();
  }
});
