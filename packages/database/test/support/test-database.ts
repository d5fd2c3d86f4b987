import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { defined, randomHex, silentLogger, systemRandom } from "@wrenn/core";
import { openDatabase } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import pg from "pg";
import { runningEmbeddedServer } from "../../src/embedded-server.ts";

const START_MS = 120_000;

/** Server to make databases on, instead of embedded ones: what `./wrenn test` sets for its second run. */
const SERVER = "WRENN_TEST_DATABASE_URL";

/** An empty database of one test file: of the embedded server, or on the external one that the environment names. */
export class TestDatabase implements AsyncDisposable {
  readonly #directory: string;
  /** Undefined for an embedded one. */
  readonly url: string | undefined;
  readonly #release: AsyncDisposableStack;

  private constructor(directory: string, url: string | undefined, release: AsyncDisposableStack) {
    this.#directory = directory;
    this.url = url;
    this.#release = release;
  }

  static async create(): Promise<TestDatabase> {
    await using release = new AsyncDisposableStack();
    const directory = await mkdtemp("/tmp/wrenn-test-db-");
    release.defer(() => rm(directory, { recursive: true, force: true }));
    await chmod(directory, 0o711);
    const server = process.env[SERVER];
    if (server === undefined) return new TestDatabase(directory, undefined, release.move());
    const name = `wrenn_test_${randomHex(systemRandom, 8)}`;
    await onServer(server, `create database ${name}`);
    // Connections that a test left open do not keep it.
    release.defer(() => onServer(server, `drop database ${name} with (force)`));
    const url = new URL(server);
    url.pathname = `/${name}`;
    return new TestDatabase(directory, url.href, release.move());
  }

  /** Opens and migrates it; may be repeated after a close. */
  async open(): Promise<Database> {
    return await openDatabase(
      {
        directory: join(this.#directory, "db"),
        cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
        ...defined({ databaseUrl: this.url }),
        logger: silentLogger,
      },
      AbortSignal.timeout(START_MS),
    );
  }

  /** How another process reaches it while it is open. */
  async connectionUrl(): Promise<string> {
    if (this.url !== undefined) return this.url;
    const running = await runningEmbeddedServer(join(this.#directory, "db"), AbortSignal.timeout(START_MS));
    if (!running) throw new Error("the database is not open");
    const url = new URL(`postgresql://localhost/${running.database}`);
    url.searchParams.set("host", running.host);
    url.searchParams.set("user", running.user);
    return url.href;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release.disposeAsync();
  }
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
