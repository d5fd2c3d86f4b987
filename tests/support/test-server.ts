import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger } from "@wrenn/core";
import { seedCluster, TestDatabase } from "@wrenn/database/testing";
import type { Logger } from "@wrenn/core";
import type { StepObserver } from "@wrenn/host-agent";
import { dataPaths, startServer } from "@wrenn/server";
import type { BuildBuiltIn, ServerConfig, ServerStart, StartedServer } from "@wrenn/server";
import { ApiCaller } from "./api-caller.ts";
import { chosenAccelerator } from "./chosen-accelerator.ts";

/** A server on real microVMs with a data directory of its own. */
export async function startTestServer(
  overrides: {
    readonly onStep?: StepObserver;
    readonly imagePuller?: ServerStart["imagePuller"];
    readonly config?: Partial<ServerConfig>;
    readonly logger?: Logger;
    /** False where a test is about the pages that the server has without a dashboard. */
    readonly servesDashboard?: boolean;
    /** Default: built-in templates are not built on their first use. */
    readonly buildBuiltIn?: BuildBuiltIn;
    /** Whether the data directory has a key for clients of E2B, as with `up --e2b`. */
    readonly keepsE2bKey?: boolean;
  } = {},
): Promise<TestServer> {
  const dataDirectory = await mkdtemp("/tmp/wrenn-e2e-");
  const { config, imagePuller, ...start } = overrides;
  // On an external server each has a database of its own.
  const database = await TestDatabase.create();
  if (database.url === undefined) await seedCluster(dataPaths(dataDirectory).database);
  const server = await startServer({
    config: {
      dataDirectory,
      cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
      host: "127.0.0.1",
      port: 0,
      domain: "localhost",
      databaseUrl: database.url,
      accelerator: await chosenAccelerator(),
      // Tests count machines and share the processors: none waits unless a test is about it.
      warmMachines: 0,
      // And that paused capsules have no machine.
      parkedMachines: 0,
      ...config,
    },
    logger: silentLogger,
    progress: () => {},
    signal: new AbortController().signal,
    ...(imagePuller ? { imagePuller } : {}),
    ...start,
  });
  return new TestServer(server, dataDirectory, database);
}

/** A server in this process. */
export class TestServer extends ApiCaller {
  readonly server: StartedServer;
  readonly dataDirectory: string;

  readonly #database: TestDatabase;

  constructor(server: StartedServer, dataDirectory: string, database: TestDatabase) {
    super(server.url, server.apiKey);
    this.server = server;
    this.dataDirectory = dataDirectory;
    this.#database = database;
  }

  /** Ends every capsule and removes the data directory. */
  async close(): Promise<void> {
    await this.server.close("destroy");
    await rm(this.dataDirectory, { recursive: true, force: true });
    await this.#database[Symbol.asyncDispose]();
  }

  get capsulesDirectory(): string {
    return join(this.dataDirectory, "capsules");
  }
}
