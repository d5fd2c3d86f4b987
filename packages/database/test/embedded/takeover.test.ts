import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { openDatabase } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { identifyProcess } from "@wrenn/system";

const root = await mkdtemp("/tmp/wrenn-db-");
await chmod(root, 0o711);
after(() => rm(root, { recursive: true, force: true }));
const cacheDirectory = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
const open = (name: string): Promise<Database> =>
  openDatabase(
    { directory: join(root, name), cacheDirectory, logger: silentLogger },
    AbortSignal.timeout(120_000),
  );

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
