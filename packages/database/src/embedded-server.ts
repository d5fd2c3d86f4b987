import { spawn } from "node:child_process";
import { chmod, chown, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { exists, identifyProcess, isAlive, runCommand, signalProcess } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import { singleClient } from "./connections.ts";
import { installPostgresBinaries } from "./postgres-binaries.ts";
import { postgresUser } from "./postgres-user.ts";
import type { ServerUser } from "./postgres-user.ts";

const READY_MS = 30_000;
const STOP_MS = 30_000;
const POLL_MS = 10;
const DATABASE = "postgres";
/** The server's own log is for the rare day when it does not start; a longer one is begun anew. */
const LOG_LIMIT = 4 << 20;

/**
 * Few connections and little memory: the server shares its machine with capsules. Whoever can open the socket is trusted;
 * its directory belongs to the server's user alone.
 */
const settings = [
  "listen_addresses=",
  "max_connections=60",
  "shared_buffers=32MB",
  "unix_socket_permissions=0700",
  "wal_level=minimal",
  "max_wal_senders=0",
];

export interface EmbeddedServer {
  /** For pg: the socket's directory as host. */
  readonly connection: { readonly host: string; readonly user: string; readonly database: string };
  /** Stops the server and waits for it. */
  close(): Promise<void>;
}

export interface EmbeddedServerOptions {
  /** The cluster's directory; made when missing. */
  readonly directory: string;
  readonly cacheDirectory: string;
  readonly logger: Logger;
}

/**
 * PostgreSQL from an npm package, on a unix socket only. A server that an earlier process of ours left running is taken over.
 *
 * @throws WrennError `operation_failed` with the server's own words when it does not start.
 */
export async function startEmbeddedServer(
  options: EmbeddedServerOptions,
  signal: AbortSignal,
): Promise<EmbeddedServer> {
  const binaries = await installPostgresBinaries(options.cacheDirectory);
  const user = await postgresUser(signal);
  const data = join(options.directory, "data");
  const sockets = join(options.directory, "run");
  await prepareDirectories([options.directory, sockets], user);
  if (!(await exists(join(data, "PG_VERSION")))) await initialise(binaries, data, user, signal);
  const running = await leftOverServer(data);
  if (running) options.logger.info("database.taken_over", { pid: running.pid });
  const server = running ?? (await launch(binaries, data, sockets, options.directory, user));
  const connection = { host: sockets, user: user.name, database: DATABASE };
  try {
    await untilReady(connection, server, options.directory, signal);
  } catch (error) {
    // Nobody would stop it; one that was found running is left as it was.
    if (!running) await stop(server);
    throw error;
  }
  return { connection, close: () => stop(server) };
}

/** How to reach the server of a cluster that runs now, whoever started it; undefined when none does. */
export async function runningEmbeddedServer(
  directory: string,
  signal: AbortSignal,
): Promise<EmbeddedServer["connection"] | undefined> {
  if (!(await leftOverServer(join(directory, "data")))) return undefined;
  return { host: join(directory, "run"), user: (await postgresUser(signal)).name, database: DATABASE };
}

/** Whether there is a cluster in a directory. */
export async function hasCluster(directory: string): Promise<boolean> {
  return await exists(join(directory, "data", "PG_VERSION"));
}

async function prepareDirectories(paths: readonly string[], user: ServerUser): Promise<void> {
  for (const path of paths) {
    await mkdir(path, { recursive: true });
    await chmod(path, 0o700);
    await chown(path, user.uid, user.gid);
  }
}

async function initialise(
  binaries: string,
  data: string,
  user: ServerUser,
  signal: AbortSignal,
): Promise<void> {
  // A first start that was cut short leaves a directory that initdb refuses.
  await rm(data, { recursive: true, force: true });
  await runCommand(
    [
      join(binaries, "bin/initdb"),
      "--pgdata",
      data,
      "--username",
      user.name,
      "--auth",
      "trust",
      "--encoding",
      "UTF8",
      "--locale",
      "C",
      "--no-instructions",
    ],
    { signal, env: environment(binaries), uid: user.uid, gid: user.gid, cwd: "/" },
  );
}

async function launch(
  binaries: string,
  data: string,
  sockets: string,
  directory: string,
  user: ServerUser,
): Promise<ProcessIdentity> {
  const logPath = join(directory, "postgres.log");
  const size = await stat(logPath).then(
    (file) => file.size,
    () => 0,
  );
  await using log = await open(logPath, size > LOG_LIMIT ? "w" : "a", 0o600);
  const child = spawn(
    join(binaries, "bin/postgres"),
    ["-D", data, "-k", sockets, ...settings.flatMap((setting) => ["-c", setting])],
    {
      stdio: ["ignore", log.fd, log.fd],
      env: environment(binaries),
      uid: user.uid,
      gid: user.gid,
      cwd: "/",
      // A Ctrl-C in our terminal is for us: the server is stopped when nobody needs it any more.
      detached: true,
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("spawn", resolve);
  child.once("error", reject);
  await promise;
  child.unref();
  const identity = await identifyProcess(child.pid ?? -1);
  if (!identity)
    throw new WrennError("operation_failed", {
      operation: "starting PostgreSQL",
      problem: "it ended at once",
    });
  return identity;
}

function environment(binaries: string): Record<string, string> {
  return { PATH: "/usr/bin:/bin", LD_LIBRARY_PATH: join(binaries, "lib"), LC_ALL: "C", TZ: "UTC" };
}

/** The live postmaster of this cluster, if there is one: first line of postmaster.pid. */
async function leftOverServer(data: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const identity = await identifyProcess(Number(text.split("\n")[0]));
  if (!identity) return undefined;
  const commandLine = await readFile(`/proc/${identity.pid}/cmdline`, "utf8").catch(() => "");
  return commandLine.split("\0").includes(data) ? identity : undefined;
}

async function untilReady(
  connection: EmbeddedServer["connection"],
  server: ProcessIdentity,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    signal.throwIfAborted();
    const client = singleClient(connection);
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      await client.end().catch(() => {});
      if (!(await isAlive(server)) || performance.now() > deadline) {
        const log = await readFile(join(directory, "postgres.log"), "utf8").catch(() => "");
        const problem = log.trim().split("\n").at(-1) ?? String(error);
        throw new WrennError(
          "operation_failed",
          { operation: "starting PostgreSQL", problem },
          { cause: error },
        );
      }
      await pause();
    }
  }
}

/** SIGINT is PostgreSQL's fast shutdown: clients are cut, everything is written. */
async function stop(server: ProcessIdentity): Promise<void> {
  const deadline = performance.now() + STOP_MS;
  await signalProcess(server, "SIGINT");
  while (await isAlive(server)) {
    if (performance.now() > deadline)
      throw new WrennError("operation_failed", {
        operation: "stopping PostgreSQL",
        problem: `process ${server.pid} does not end`,
      });
    await pause();
  }
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
