/* Drawn: tests/e2e/database-maintenance.test.ts shows the main paths. */
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { silentLogger, systemClock, WrennError } from "@wrenn/core";
import { auditQueries, backupEmbedded, openDatabase, restoreEmbedded, teamQueries } from "@wrenn/database";
import type { ClusterOptions, Database } from "@wrenn/database";
import { sql } from "kysely";

const root = await mkdtemp("/tmp/wrenn-backup-");
await chmod(root, 0o711);
after(() => rm(root, { recursive: true, force: true }));

const signal = AbortSignal.timeout(300_000);
const cacheDirectory = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
const cluster = (name: string): ClusterOptions => ({
  directory: join(root, name),
  cacheDirectory,
  clock: systemClock,
  logger: silentLogger,
});
const open = (name: string): Promise<Database> => openDatabase(cluster(name), signal);
const restore = (name: string, file: string, replace = false) =>
  restoreEmbedded(cluster(name), file, { replace }, signal);

/** Every row of every table, as text. */
async function contentOf({ db }: Database): Promise<Record<string, readonly string[]>> {
  const tables = await sql<{ name: string }>`
    select tablename as name from pg_tables
    where schemaname = 'public' and tablename not like 'kysely%' order by 1`.execute(db);
  const content: Record<string, readonly string[]> = {};
  for (const { name } of tables.rows) {
    const { rows } = await sql<{ row: string }>`
      select row_to_json(t)::text as row from ${sql.table(name)} t order by 1`.execute(db);
    content[name] = rows.map(({ row }) => row);
  }
  return content;
}

const reasonOf = (error: unknown): string => (error instanceof WrennError ? error.reason : String(error));

async function refused(work: Promise<unknown>, reason: string, text?: RegExp): Promise<void> {
  const error = await work.then(
    () => assert.fail(`expected ${reason}`),
    (problem: unknown) => problem,
  );
  assert.equal(reasonOf(error), reason, String(error));
  if (text) assert.match(String(error), text);
}

// A database that a release filled, with one of our own making: text of every kind, and the counter of the audit log.
const original = await open("original");
await sql`drop schema public cascade`.execute(original.db);
await sql`create schema public`.execute(original.db);
await sql.raw(await readFile(join(import.meta.dirname, "../previous/0007.sql"), "utf8")).execute(original.db);
await original.close();
const filled = await open("original");
await teamQueries.insertTeam(filled.db, {
  id: "77777777-7777-4777-8777-777777777777",
  name: 'quote " backslash \\ newline \n tab \t null-like \\N unicode \u{1F426} ü \u0001 \u2028',
  slug: "abcdef-abcdef",
});
await sql`update sandboxes set created_at = '2026-02-03 04:05:06.123456+00', metadata = '{"a": "\\\\ \\" \\u2028"}'
  where status = 'paused'`.execute(filled.db);
// More rows than are fetched or put in at once.
await sql`insert into usage_samples (team_id, sampled_at, running_count, vcpus_reserved, memory_mb_reserved)
  select id, timestamptz '2026-01-01' + n * interval '10 seconds', n, n, n
  from teams, generate_series(1, 1700) n where slug = 'abcdef-abcdef'`.execute(filled.db);
const content = await contentOf(filled);
const file = join(root, "one.backup");

test("a backup of a database in use holds every row of one moment, and only its owner may read it", async () => {
  const adding = new AbortController();
  const writer = (async () => {
    while (!adding.signal.aborted)
      await teamQueries.insertTeam(filled.db, {
        id: crypto.randomUUID(),
        name: "meanwhile",
        slug: crypto.randomUUID(),
      });
  })();
  const { rows, tables } = await backupEmbedded(cluster("original"), join(root, "busy.backup"), signal);
  adding.abort();
  await writer;
  assert.equal(tables, Object.keys(content).length);
  assert.ok(rows >= 1700 + 40, `${rows} rows`);
  await sql`delete from teams where name = 'meanwhile'`.execute(filled.db);

  await backupEmbedded(cluster("original"), file, signal);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  // The server that runs goes on running.
  assert.deepEqual(await contentOf(filled), content);
});

test("restored somewhere else every row is the same, and numbers go on after the largest", async () => {
  const { rows } = await restore("copy", file);
  assert.equal(
    rows,
    Object.values(content).reduce((sum, table) => sum + table.length, 0),
  );
  const copy = await open("copy");
  try {
    assert.deepEqual(await contentOf(copy), content);
    const largest = await copy.db
      .selectFrom("audit_log")
      .select("seq")
      .orderBy("seq", "desc")
      .executeTakeFirst();
    await auditQueries.insertAudit(copy.db, {
      id: crypto.randomUUID(),
      team_id: "77777777-7777-4777-8777-777777777777",
      actor_type: "system",
      actor_id: null,
      actor_name: null,
      resource_type: "team",
      resource_id: null,
      action: "rename",
      scope: "team",
      status: "info",
      metadata: "{}",
    });
    const next = await copy.db
      .selectFrom("audit_log")
      .select("seq")
      .orderBy("seq", "desc")
      .executeTakeFirst();
    assert.equal(Number(next?.seq), Number(largest?.seq) + 1);
  } finally {
    await copy.close();
  }
});

test("a backup of a stopped database starts its server for the time that it takes", async () => {
  await filled.close();
  const stopped = join(root, "stopped.backup");
  await backupEmbedded(cluster("original"), stopped, signal);
  await assert.rejects(stat(join(root, "original/data/postmaster.pid")), { code: "ENOENT" });
  const [one, other] = await Promise.all([file, stopped].map((path) => readFile(path)));
  const rowsOf = (bytes: Buffer | undefined) =>
    gunzipSync(bytes ?? "")
      .toString()
      .split("\n")
      .slice(1, -2)
      .sort();
  assert.deepEqual(rowsOf(other), rowsOf(one));
});

test("a database that is there is replaced only when that is asked for, and kept beside the new one", async () => {
  const other = await open("other");
  await teamQueries.insertTeam(other.db, { id: crypto.randomUUID(), name: "kept", slug: "kept" });
  const kept = await contentOf(other);
  await other.close();
  await refused(restore("other", file), "database_not_empty", /already/);
  const { replaced = "" } = await restore("other", file, true);
  const now = await open("other");
  assert.deepEqual(await contentOf(now), content);
  await now.close();
  const before = await open(replaced.slice(root.length + 1));
  assert.deepEqual(await contentOf(before), kept);
  await before.close();
});

test("a backup of an older schema is brought to the present one", async () => {
  const old = await open("old");
  await sql`drop schema public cascade`.execute(old.db);
  await sql`create schema public`.execute(old.db);
  await sql.raw(await readFile(join(import.meta.dirname, "../previous/0007.sql"), "utf8")).execute(old.db);
  const path = join(root, "old.backup");
  await backupEmbedded(cluster("old"), path, signal);
  await old.close();
  await restore("forward", path);
  const forward = await open("forward");
  const migrated = await open("old");
  try {
    assert.deepEqual(await contentOf(forward), await contentOf(migrated));
  } finally {
    await forward.close();
    await migrated.close();
  }
});

test("a file that is cut, changed, of a newer release or of something else is refused, and nothing is left of the attempt", async () => {
  const lines = gunzipSync(await readFile(file))
    .toString()
    .split("\n");
  const packed = (some: readonly string[]): Buffer => gzipSync(some.join("\n"));
  const at = lines.findIndex((line) => line.startsWith("R "));
  const header = JSON.parse(lines[0] ?? "") as { migrations: string[] };
  const newer = JSON.stringify({ ...header, migrations: [...header.migrations, "9999-future.sql"] });
  const bad: readonly [string, Buffer, string, RegExp][] = [
    ["cut", (await readFile(file)).subarray(0, -2000), "backup_unreadable", /unexpected end of file/],
    ["without-end", packed([...lines.slice(0, -2), ""]), "backup_unreadable", /cut short/],
    ["row-gone", packed(lines.toSpliced(at, 1)), "backup_unreadable", /checksum/],
    [
      "row-changed",
      packed(lines.with(at, (lines[at] ?? "").replace("wrn_", "wrx_"))),
      "backup_unreadable",
      /checksum/,
    ],
    [
      "foreign-table",
      packed(lines.toSpliced(1, 0, "T pg_authid", "R {}")),
      "backup_unreadable",
      /'pg_authid'/,
    ],
    ["quoted", packed(lines.toSpliced(1, 0, 'T x"; drop table teams; --')), "backup_unreadable", /belong/],
    ["bad-row", packed(lines.with(at, "R {]")), "backup_unreadable", /json/],
    ["more", packed([...lines.slice(0, -1), "T teams", ""]), "backup_unreadable", /follows its end/],
    ["newer", packed(lines.with(0, newer)), "backup_too_new", /9999-future/],
    ["text", Buffer.from("hello"), "backup_unreadable", /header/],
    ["nothing", gzipSync(""), "backup_unreadable", /empty/],
    ["something", gzipSync("[1]\n"), "backup_unreadable", /not a backup/],
  ];
  for (const [name, bytes, reason, text] of bad) {
    const path = join(root, `${name}.bad`);
    await writeFile(path, bytes);
    await refused(restore("never", path), reason, text);
  }
  await refused(restore("never", join(root, "absent")), "backup_unreadable", /ENOENT/);
  await refused(backupEmbedded(cluster("never"), join(root, "x"), signal), "database_missing");
  await refused(backupEmbedded(cluster("copy"), join(root, "no/where"), signal), "backup_not_writable");
  const left = (await readdir(root)).filter((name) => /^never|restoring|partial/.test(name));
  assert.deepEqual(left, []);
});
