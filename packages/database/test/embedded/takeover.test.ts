import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { openDatabase } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { identifyProcess } from "@wrenn/system";

const root = await mkdtemp("/tmp/wrenn-db-");
await chmod(root, 0o711);
after(() => rm(root, { recursive: true, force: true }));
const cacheDirectory = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
const open = (name: string, signal = AbortSignal.timeout(120_000)): Promise<Database> =>
  openDatabase({ directory: join(root, name), cacheDirectory, logger: silentLogger }, signal);

test("a server whose owner was killed is taken over, and stopped by its new owner", async () => {
  const program = `
    import { openDatabase } from "@wrenn/database";
    import { silentLogger } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
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

test("a start that is aborted stops the server that it has begun to start", async () => {
  await (await open("aborted")).close();
  const stopping = new AbortController();
  const starting = open("aborted", stopping.signal);
  const pidFile = join(root, "aborted/data/postmaster.pid");
  const pid = await eventually(
    "the server is being started",
    async () => Number((await readFile(pidFile, "utf8").catch(() => "")).split("\n")[0]),
    { intervalMs: 1 },
  );
  stopping.abort(new Error("another part failed"));
  // It may have been quicker than the abort.
  await starting.then(
    (database) => database.close(),
    (error: unknown) => assert.match(String(error), /another part failed/),
  );
  assert.equal(await identifyProcess(pid), undefined);
});
