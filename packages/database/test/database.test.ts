import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import {
  changeSandbox,
  findApiKey,
  findSandbox,
  insertApiKey,
  insertSandbox,
  insertTeam,
  putLocalHost,
  listSandboxes,
  openDatabase,
} from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { identifyProcess } from "@wrenn/system";

const root = await mkdtemp("/tmp/wrenn-db-");
await chmod(root, 0o711);
const cacheDirectory = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
const signal = AbortSignal.timeout(120_000);
const open = (name: string): Promise<Database> =>
  openDatabase({ directory: join(root, name), cacheDirectory, logger: silentLogger }, signal);

const database = await open("main");
after(async () => {
  await database.close();
  await rm(root, { recursive: true, force: true });
});

const team = "11111111-1111-4111-8111-111111111111";
const hostId = "33333333-3333-4333-8333-333333333333";
const foreign = "22222222-2222-4222-8222-222222222222";
await insertTeam(database.db, { id: team, name: "One", slug: "aaaaaa-aaaaaa" });
await insertTeam(database.db, { id: foreign, name: "Two", slug: "bbbbbb-bbbbbb" });
await putLocalHost(database.db, hostId, { arch: "amd64", cpuCores: 2, memoryMb: 4096, diskGb: 100 });

function newSandbox(id: string, teamId = team): Parameters<typeof insertSandbox>[1] {
  return { id, teamId, hostId, template: "minimal", vcpus: 1, memoryMb: 512, diskMb: 5120, timeoutSec: 0 };
}

test("a key is found by its hash", async () => {
  const hash = "a".repeat(64);
  await insertApiKey(database.db, {
    id: crypto.randomUUID(),
    teamId: team,
    name: "k",
    hash,
    prefix: "wrn_aaaaaa",
  });
  assert.equal((await findApiKey(database.db, hash, new Date()))?.teamId, team);
  assert.equal(await findApiKey(database.db, "b".repeat(64), new Date()), undefined);
});

test("capsules are seen by their own team only, newest first, without ended ones", async () => {
  const ids = Array.from({ length: 3 }, () => crypto.randomUUID());
  for (const id of ids) await insertSandbox(database.db, newSandbox(id));
  const [first = ""] = ids;
  assert.equal(await findSandbox(database.db, foreign, first), undefined);
  assert.deepEqual(
    (await listSandboxes(database.db, team)).map((row) => row.id),
    ids.toReversed(),
  );
  await changeSandbox(database.db, first, ["pending"], { status: "error", problem: "why" }, new Date());
  assert.deepEqual(
    (await listSandboxes(database.db, team)).map((row) => row.id),
    ids.slice(1).toReversed(),
  );
  assert.equal((await findSandbox(database.db, team, first))?.problem, "why");
});

test("of many that change a state at once exactly one wins", async () => {
  const id = crypto.randomUUID();
  await insertSandbox(database.db, newSandbox(id));
  const results = await Promise.all(
    Array.from({ length: 20 }, () =>
      changeSandbox(database.db, id, ["pending"], { status: "running" }, new Date()),
    ),
  );
  assert.equal(results.filter((row) => row !== undefined).length, 1);
  assert.equal((await findSandbox(database.db, team, id))?.version, 2);
});

test("a status outside the contract's vocabulary is refused by the database itself", async () => {
  const id = crypto.randomUUID();
  await insertSandbox(database.db, newSandbox(id));
  await assert.rejects(
    changeSandbox(database.db, id, ["pending"], { status: "exploded" as never }, new Date()),
    /check constraint/,
  );
});

test("what was written is there after a restart", async () => {
  const first = await open("restart");
  await insertTeam(first.db, { id: team, name: "One", slug: "aaaaaa-aaaaaa" });
  await first.close();
  const second = await open("restart");
  assert.equal((await second.db.selectFrom("teams").select("name").executeTakeFirstOrThrow()).name, "One");
  await second.close();
});

test("a server whose owner was killed is taken over, and stopped by its new owner", async () => {
  const program = `
    import { openDatabase } from "@wrenn/database";
    import { silentLogger } from "@wrenn/core";
    await openDatabase({ directory: ${JSON.stringify(join(root, "orphan"))}, cacheDirectory: ${JSON.stringify(cacheDirectory)}, logger: silentLogger }, AbortSignal.timeout(60000));
    console.log("open");
    setInterval(() => {}, 1000);
  `;
  const owner = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(owner.stdout, "data");
  owner.kill("SIGKILL");
  await once(owner, "exit");
  const pid = async (): Promise<number> =>
    Number((await readFile(join(root, "orphan/data/postmaster.pid"), "utf8")).split("\n")[0]);
  const orphan = await pid();
  assert.ok(await identifyProcess(orphan));
  const taken = await open("orphan");
  assert.equal(await pid(), orphan);
  await taken.close();
  assert.equal(await identifyProcess(orphan), undefined);
});
