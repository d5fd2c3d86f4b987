import { chmod, mkdir, readFile } from "node:fs/promises";
import { createControlPlane, ensureFirstTeam } from "@wrenn/control-plane";
import { systemClock, systemRandom, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { openDatabase } from "@wrenn/database";
import type { CapsulesAtEnd, RunningHostAgent, StepObserver } from "@wrenn/host-agent";
import { writeFileAtomic } from "@wrenn/system";
import { dataPaths } from "./config.ts";
import type { ServerConfig } from "./config.ts";
import { packageFile } from "./native-parts.ts";
import { findServer, removeServerRecord, writeServerRecord } from "./server-record.ts";
import { startHostAgent } from "./start-host-agent.ts";

export interface ServerStart {
  readonly config: ServerConfig;
  readonly logger: Logger;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
  /** Aborts the start. */
  readonly signal: AbortSignal;
  /** Test seam: called before each journalled step. */
  readonly onStep?: StepObserver;
}

/** Control plane, database and host agent of one machine, in this process. */
export interface StartedServer {
  readonly url: string;
  /** Key of the first team, for the command line of this machine. */
  readonly apiKey: string;
  readonly hostAgent: RunningHostAgent;
  /** Stops everything; what becomes of the capsules is the caller's choice. */
  close(capsules: CapsulesAtEnd): Promise<void>;
}

/** Starts everything, in an order in which each part finds what it needs; undone in reverse when one fails. */
export async function startServer(start: ServerStart): Promise<StartedServer> {
  const { config, logger, signal } = start;
  const paths = dataPaths(config.dataDirectory);
  await mkdir(config.dataDirectory, { recursive: true });
  // The database and the machines run as users of their own and pass through here.
  await chmod(config.dataDirectory, 0o711);
  const other = await findServer(paths.serverRecord);
  if (other) throw new WrennError("server_already_runs", { url: other.url, directory: config.dataDirectory });

  await using release = new AsyncDisposableStack();
  const { version } = JSON.parse(await readFile(packageFile, "utf8")) as { version: string };
  const database = await openDatabase(
    {
      directory: paths.database,
      cacheDirectory: config.cacheDirectory,
      ...(config.databaseUrl === undefined ? {} : { databaseUrl: config.databaseUrl }),
      logger,
    },
    signal,
  );
  release.defer(() => database.close());
  const apiKey = await localKey(paths.localClient, await ensureFirstTeam(database, systemRandom));

  const hostAgent = await startHostAgent(
    { config, logger, version, progress: start.progress, ...(start.onStep ? { onStep: start.onStep } : {}) },
    signal,
  );
  let atEnd: CapsulesAtEnd = "leave";
  release.defer(() => hostAgent.close(atEnd));
  const controlPlane = await createControlPlane({
    database,
    hostAgent,
    clock: systemClock,
    logger,
    random: systemRandom,
    version,
  });
  release.defer(() => controlPlane.close());
  const { url } = await controlPlane.listen({ host: config.host, port: config.port });
  await writeServerRecord(paths.serverRecord, url);
  release.defer(() => removeServerRecord(paths.serverRecord));
  const owned = release.move();
  return {
    url,
    apiKey,
    hostAgent,
    close: async (capsules) => {
      atEnd = capsules;
      await owned.disposeAsync();
    },
  };
}

/** The first key is shown once by the database and kept for this machine's own command line. */
async function localKey(path: string, first: { readonly apiKey?: string }): Promise<string> {
  if (first.apiKey !== undefined)
    await writeFileAtomic(path, `${JSON.stringify({ apiKey: first.apiKey })}\n`);
  const text = await readFile(path, "utf8").catch(() => {
    throw new WrennError("dependency_missing", { what: `${path}, which holds the first API key` });
  });
  return (JSON.parse(text) as { apiKey: string }).apiKey;
}
