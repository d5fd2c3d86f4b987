import { createHash } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { defined, randomHex, silentLogger, systemRandom } from "@wrenn/core";
import { openDatabase } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import pg from "pg";
import { runningEmbeddedServer } from "../../src/embedded-server.ts";
import { listMigrations, readMigration } from "../../src/migrations.ts";
import { seedCluster } from "./seeded-cluster.ts";

const START_MS = 120_000;
/** Any number: of the advisory lock under which the database to copy is made. */
const TEMPLATE_LOCK = 7_413;

/** Server to make databases on, instead of embedded ones: what `./wrenn test` sets for its group "external database". */
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
    return await TestDatabase.#make();
  }

  /** One that has this version's schema: a copy, which is made sooner than the schema. */
  static async migrated(): Promise<TestDatabase> {
    const server = process.env[SERVER];
    if (server !== undefined) return await TestDatabase.#make(await migratedTemplate(server));
    const database = await TestDatabase.#make();
    await seedCluster(join(database.#directory, "db"));
    return database;
  }

  static async #make(template = "template1"): Promise<TestDatabase> {
    await using release = new AsyncDisposableStack();
    const directory = await mkdtemp("/tmp/wrenn-test-db-");
    release.defer(() => rm(directory, { recursive: true, force: true }));
    await chmod(directory, 0o711);
    const server = process.env[SERVER];
    if (server === undefined) return new TestDatabase(directory, undefined, release.move());
    const name = `wrenn_test_${randomHex(systemRandom, 8)}`;
    await onServer(server, `create database ${name} template ${template}`);
    // Connections that a test left open do not keep it.
    release.defer(() => onServer(server, `drop database ${name} with (force)`));
    return new TestDatabase(directory, urlOf(server, name), release.move());
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

/** A database to copy, with the schema that the migrations lead to now. The first that asks makes it, others wait. */
async function migratedTemplate(server: string): Promise<string> {
  const digest = createHash("sha256");
  for (const migration of await listMigrations()) digest.update(await readMigration(migration));
  const name = `wrenn_test_schema_${digest.digest("hex").slice(0, 16)}`;
  await onServer(server, async (client) => {
    await client.query("select pg_advisory_lock($1)", [TEMPLATE_LOCK]);
    if ((await client.query("select from pg_database where datname = $1", [name])).rowCount === 1) return;
    const making = `${name}_making`;
    await client.query(`drop database if exists ${making}`);
    await client.query(`create database ${making}`);
    const url = urlOf(server, making);
    const database = await openDatabase(
      { directory: "", cacheDirectory: "", databaseUrl: url, logger: silentLogger },
      AbortSignal.timeout(START_MS),
    );
    await database.close();
    await client.query(`alter database ${making} rename to ${name}`);
  });
  return name;
}

function urlOf(server: string, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}

async function onServer(url: string, run: string | ((client: pg.Client) => Promise<void>)): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    if (typeof run === "string") await client.query(run);
    else await run(client);
  } finally {
    await client.end();
  }
}
