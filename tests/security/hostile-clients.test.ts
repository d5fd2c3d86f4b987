import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "@wrenn/core/testing";
import { TestDatabase } from "@wrenn/database/testing";
import { heldMib } from "../support/held-memory.ts";
import { watchGrowth } from "../support/resident-memory.ts";
import { TestProcess } from "../support/test-process.ts";

/*
 * Clients that mean harm against a server with few descriptors, while others use it: these are served within a bounded time, and the
 * server's memory and descriptors stay bounded. With --long for WRENN_HOSTILE_SECONDS (600).
 */

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const SECONDS = LONG ? Number(process.env["WRENN_HOSTILE_SECONDS"] ?? 600) : 5;
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));
/** Of the server; clients get 1000 connections of them. */
const DESCRIPTORS = 4000;
/** What clients may leave unread, and as much for everything else. */
const MOST_GROWTH_MIB = 640;
/** What may still be held once the hostile clients are gone: caches of what they tried, which are bounded by number. */
const MOST_LEFT_MIB = 32;

interface Started {
  readonly url: string;
  readonly secureUrl: string;
  readonly apiKey: string;
}

const script = (name: string): string => join(import.meta.dirname, "../support", name);
const limited = `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`;

let dataDirectory: string;
let database: TestDatabase;
let server: TestProcess;
let started: Started;

before(async () => {
  dataDirectory = await mkdtemp("/tmp/wrenn-hostile-");
  database = await TestDatabase.migrated();
  const argument = { dataDirectory, databaseUrl: database.url, port: 0, tls: true };
  server = new TestProcess([
    "sh",
    "-c",
    limited,
    process.execPath,
    "--expose-gc",
    script("control-plane.ts"),
    JSON.stringify(argument),
  ]);
  started = (await server.start()) as Started;
});

after(async () => {
  await server.stop();
  await database[Symbol.asyncDispose]();
  await rm(dataDirectory, { recursive: true, force: true });
});

const portOf = (url: string): number => Number(new URL(url).port);

async function countDescriptors(): Promise<number> {
  return (await readdir(`/proc/${server.pid}/fd`)).length;
}

/** One request of an honest client; milliseconds until its answer was complete. */
async function call(from: string, path: string, agent: Agent | false, key?: string): Promise<number> {
  const start = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const outgoing = request(
    {
      port: portOf(started.url),
      host: "127.0.0.1",
      localAddress: from,
      path,
      agent,
      headers: key === undefined ? {} : { "x-api-key": key },
      signal: AbortSignal.timeout(60_000),
    },
    (response) => {
      text(response).then(() => resolve(response.statusCode ?? 0), reject);
    },
  );
  outgoing.once("error", reject);
  outgoing.end();
  const status = await promise;
  assert.equal(status, 200, path);
  return performance.now() - start;
}

async function callHttp2(): Promise<void> {
  const session = connectHttp2(`https://127.0.0.1:${portOf(started.secureUrl)}`, {
    rejectUnauthorized: false,
  });
  session.on("error", () => undefined);
  try {
    const stream = session.request({ ":path": "/v1/capsules", "x-api-key": started.apiKey });
    assert.match(await text(stream), /^\[/);
  } finally {
    session.destroy();
  }
}

test(
  `honest clients are served while hostile ones do what they can (seed ${seed})`,
  { timeout: SECONDS * 1000 + 120_000 },
  async (t) => {
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const key = started.apiKey;
    await call("127.0.0.1", "/v1/capsules", agent, key);
    const calm: number[] = [];
    for (let n = 0; n < 10; n += 1) calm.push(await call("127.0.0.2", "/v1/capsules", false, key));
    const descriptorsBefore = await countDescriptors();
    const held = async (): Promise<number> => await heldMib(server, dataDirectory);
    const heldBefore = await held();
    const growth = await watchGrowth(server.pid);
    t.after(growth);
    const attackers = new TestProcess([
      process.execPath,
      script("hostile-clients.ts"),
      JSON.stringify({
        port: portOf(started.url),
        tlsPort: portOf(started.secureUrl),
        seed,
        pauseMs: LONG ? 5 : 15,
      }),
    ]);
    await attackers.start();
    t.after(() => attackers.stop());
    const kept: number[] = [];
    const fresh: number[] = [];
    let mostDescriptors = 0;
    const end = performance.now() + SECONDS * 1000;
    while (performance.now() < end) {
      kept.push(await call("127.0.0.1", "/v1/capsules", agent, key));
      fresh.push(await call("127.0.0.2", "/v1/capsules", false, key));
      fresh.push(await call("127.0.0.3", "/health", false));
      await callHttp2();
      mostDescriptors = Math.max(mostDescriptors, await countDescriptors());
      await delay(50);
    }
    const grown = growth();
    await attackers.stop();
    const slow = (times: readonly number[]): number =>
      times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? Infinity;
    const facts = `${kept.length} rounds, kept ${slow(kept)} ms, fresh ${slow(fresh)} ms, calm ${slow(calm)} ms, ${grown} MiB, ${mostDescriptors} descriptors`;
    process.stderr.write(`${facts}\n`);
    assert.ok(kept.length >= 3, facts);
    // On a machine that is busy with other things, everything is slow.
    assert.ok(slow(kept) < Math.max(2000, 30 * slow(calm)), facts);
    assert.ok(slow(fresh) < Math.max(8000, 100 * slow(calm)), facts);
    assert.ok(grown < MOST_GROWTH_MIB, facts);
    assert.ok(mostDescriptors < DESCRIPTORS - 500, facts);
    await eventually(
      "descriptors are given back",
      async () => (await countDescriptors()) < descriptorsBefore + 50,
      {
        timeoutMs: 30_000,
      },
    );
    // Sessions that were cut off are closed within a second or two.
    await eventually("memory is given back", async () => (await held()) - heldBefore < MOST_LEFT_MIB, {
      timeoutMs: 15_000,
      intervalMs: 500,
      details: async () => `${(await held()) - heldBefore} MiB are held`,
    });
    assert.match(
      await readFile(`/proc/${server.pid}/limits`, "utf8"),
      new RegExp(`open files +${DESCRIPTORS}`),
    );
  },
);
