import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger } from "@wrenn/core";
import { openDatabase } from "@wrenn/database";
import { exists, runCommand } from "@wrenn/system";

const MAKE_MS = 120_000;

/** Directory of a test run for the cluster to copy: what `./wrenn test` sets. Without it each test makes its own cluster. */
const CLUSTERS = "WRENN_TEST_CLUSTERS";

/**
 * Puts a cluster with this version's schema where an embedded server is about to be started, which takes a tenth of the time of
 * making one. Without a test run nothing is put there, and the server makes its own.
 *
 * @param directory - that of the embedded server; does not exist yet.
 */
export async function seedCluster(directory: string): Promise<void> {
  const clusters = process.env[CLUSTERS];
  if (clusters === undefined) return;
  const made = join(clusters, "made");
  if (!(await exists(made))) await make(clusters, made);
  // Owners are kept: the server does not start on files of another user.
  await runCommand(["cp", "-a", "--reflink=auto", made, directory], { signal: AbortSignal.timeout(MAKE_MS) });
}

/** Makes the cluster beside its place: of those that make one at the same time, the first one's is kept. */
async function make(clusters: string, made: string): Promise<void> {
  const making = await mkdtemp(join(clusters, "making-"));
  await chmod(making, 0o711);
  const directory = join(making, "db");
  const database = await openDatabase(
    {
      directory,
      cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
      logger: silentLogger,
    },
    AbortSignal.timeout(MAKE_MS),
  );
  await database.close();
  await rename(directory, made).catch(async (error: unknown) => {
    if (!(await exists(made))) throw error;
  });
  await rm(making, { recursive: true, force: true });
}
