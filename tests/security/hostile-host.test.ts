import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { formatId, randomHex, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { apiKeyQueries, hostTokenQueries, secretQueries, teamQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";
import {
  connectHostAgent,
  ControlPlaneClient,
  HostAuthority,
  makeHostRequest,
  serveHostAgent,
} from "@wrenn/host-link";
import type { LinkCredentials } from "@wrenn/host-link";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { apiCaller } from "../support/hostile-calls.ts";
import { LyingHost } from "../support/lying-host.ts";
import { watchGrowth } from "../support/resident-memory.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { TestProcess } from "../support/test-process.ts";

/*
 * A joined host that lies in every answer, against a real control plane over the real link: the rows of other teams stay as they were,
 * their requests are served, and the control plane's memory and descriptors stay bounded. With --long for WRENN_HOSTILE_SECONDS (600).
 */

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const SECONDS = LONG ? Number(process.env["WRENN_HOSTILE_SECONDS"] ?? 600) : 5;
const SEED = Number(process.env["WRENN_TEST_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));
const MOST_GROWTH_MIB = 500;
const MOST_DESCRIPTORS = 300;
/** Of an honest team's request next to the attack, on a busy machine. */
const SERVED_MS = 10_000;
const CALL_MS = 1000;

const random = new SeededRandom(SEED);
const dataDirectory = await mkdtemp("/tmp/wrenn-hostile-host-");
const release = new AsyncDisposableStack();
after(async () => {
  await release.disposeAsync();
  await rm(dataDirectory, { recursive: true, force: true });
});

let database: Database;
let server: TestProcess;
let url = "";
let honestKey = "";
let hostileKey = "";
let liar: LyingHost;
const honestHost = new FakeHostAgent();
const beats: (() => Promise<void>)[] = [];

before(async () => {
  const files = release.use(await TestDatabase.migrated());
  database = await files.open();
  release.defer(() => database.close());
  const options = { dataDirectory, databaseUrl: await files.connectionUrl(), port: 0 };
  server = new TestProcess([
    process.execPath,
    join(import.meta.dirname, "../support/control-plane.ts"),
    JSON.stringify(options),
  ]);
  const started = (await server.start()) as { readonly url: string; readonly apiKey: string };
  release.defer(() => server.stop());
  url = started.url.replace("0.0.0.0", "127.0.0.1");
  honestKey = started.apiKey;
  const teamId = systemRandom.uuid();
  hostileKey = `wrn_${randomHex(systemRandom, 16)}`;
  await teamQueries.insertTeam(database.db, { id: teamId, name: "Hostile", slug: "hostile" });
  await database.db.updateTable("teams").set({ is_byoc: true }).where("id", "=", teamId).execute();
  await apiKeyQueries.insertApiKey(database.db, {
    id: systemRandom.uuid(),
    teamId,
    name: "key",
    hash: sha256(hostileKey),
    prefix: hostileKey.slice(0, 10),
  });

  release.defer(() => honestHost.close());
  const place = await announce(null);
  const { address, serve } = await reserve(honestHost);
  serve(await join_(place, address));
  const bad = new FakeHostAgent();
  release.defer(() => bad.close());
  liar = release.use(await LyingHost.listen({ agent: bad, random, names: lieNames }));
  liar.show(await join_(await announce(teamId), liar.address));
  const beating = setInterval(() => void Promise.allSettled(beats.map((beat) => beat())), 1000);
  release.defer(() => clearInterval(beating));
});

/** Filled with what belongs to the honest team, for the liar to claim. */
const lieNames: string[] = ["minimal"];

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** @returns a registration token. */
async function announce(teamId: string | null): Promise<string> {
  const id = systemRandom.uuid();
  const type = teamId === null ? "regular" : "byoc";
  await database.db.insertInto("hosts").values({ id, type, team_id: teamId, status: "pending" }).execute();
  const token = randomHex(systemRandom, 32);
  const expiresAt = new Date(Date.now() + 3_600_000);
  const purpose = "registration" as const;
  await hostTokenQueries.putHostToken(database.db, { hash: sha256(token), hostId: id, purpose, expiresAt });
  return token;
}

/** Registers a host as `./wrenn host join` does, and begins its heartbeats. */
async function join_(token: string, address: string): Promise<LinkCredentials> {
  const client = new ControlPlaneClient(url);
  const { keyPem, csrPem } = await makeHostRequest();
  const size = { arch: "amd64", cpuCores: 8, memoryMib: 65_536, diskGb: 1000 };
  const signal = AbortSignal.timeout(20_000);
  const issued = await client.register({ token, address, csrPem, ...size }, signal);
  beats.push(async () => await client.heartbeat(issued.host.id, issued.token, AbortSignal.timeout(5000)));
  return { key: keyPem, cert: issued.cert_pem, ca: issued.ca_cert_pem };
}

/** An honest host, which listens once it has its certificate. */
async function reserve(agent: FakeHostAgent) {
  const probe = await LyingHost.listen({ agent, random, names: [] });
  const { address } = probe;
  await probe[Symbol.asyncDispose]();
  return {
    address,
    serve: (credentials: LinkCredentials): void => {
      const port = Number(address.split(":").at(-1));
      const served = serveHostAgent({ agent, host: "127.0.0.1", port, credentials, logger: silentLogger });
      release.defer(async () => (await served).close());
    },
  };
}

/** What a capsule occupies by the word of the honest host, which is recorded at some time, and before that nothing. */
async function storageAsReported(id: string, recorded: string): Promise<string> {
  const { capsules, layers } = await honestHost.storage();
  const { bytes = 0, layers: needed = [] } = capsules.find((one) => one.id === id) ?? {};
  const shared = layers.filter((layer) => needed.includes(layer.id));
  const reported = shared.reduce((sum, layer) => sum + layer.bytes, bytes);
  return Number(recorded) === 0 || Number(recorded) === reported ? "as reported" : recorded;
}

/** Everything of the honest team that a host could change. */
async function honestRows(): Promise<unknown> {
  const { team_id: team } = await database.db
    .selectFrom("api_keys")
    .select("team_id")
    .where("key_hash", "=", sha256(honestKey))
    .executeTakeFirstOrThrow();
  const capsules = await database.db
    .selectFrom("sandboxes")
    .selectAll()
    .where("team_id", "=", team)
    .where("id", "in", honestIds)
    .orderBy("id")
    .execute();
  return {
    capsules: await Promise.all(
      capsules.map(async (row) => ({
        ...row,
        storage_bytes: await storageAsReported(formatId("capsule", row.id), row.storage_bytes),
      })),
    ),
    templates: await database.db.selectFrom("templates").selectAll().where("team_id", "=", team).execute(),
  };
}

const honestIds: string[] = [];

test(
  `a host that lies for ${SECONDS} s harms its own team only (seed ${SEED})`,
  { timeout: (SECONDS + 120) * 1000 },
  async () => {
    process.stdout.write(`hostile-host: WRENN_TEST_SEED=${SEED}\n`);
    const honest = apiCaller(url, honestKey, SERVED_MS);
    const hostile = apiCaller(url, hostileKey, 1000);
    await eventually("the hosts are linked", async () => (await honest.create()) !== undefined);
    const capsules = await database.db
      .selectFrom("sandboxes")
      .select("id")
      .where("status", "=", "running")
      .execute();
    honestIds.push(...capsules.map(({ id }) => id));
    const [first = ""] = await honest.capsules();
    lieNames.push(...(await honest.capsules()));
    await honest.snapshot(first, "honest-template");
    lieNames.push("honest-template");
    const templates = await database.db.selectFrom("templates").select("host_key").execute();
    lieNames.push(...templates.map(({ host_key: key }) => key));
    await eventually("the liar has capsules", async () => (await hostile.create()) !== undefined);

    const rows = await honestRows();
    const descriptors = await countDescriptors();
    const growth = await watchGrowth(server.pid);
    liar.isHonest = false;
    const end = Date.now() + SECONDS * 1000;
    const until = async (work: () => Promise<unknown>, pauseMs: number): Promise<number> => {
      let rounds = 0;
      for (; Date.now() < end; rounds++) {
        await work();
        await delay(pauseMs);
      }
      return rounds;
    };
    const attacking = Array.from(
      { length: 6 },
      async () => await until(async () => await hostile.any(random), 5),
    );
    const [attacked, calls, served] = await Promise.all([
      Promise.all(attacking),
      until(async () => await callsEnd(), 20),
      until(async () => await honest.useEverything(), 200),
    ]);
    const attacks = attacked.reduce((sum, one) => sum + one, 0);
    const grown = growth();
    const said = [...liar.lies].map(([kind, count]) => `${kind} ${count}`).join(", ");
    process.stdout.write(
      `hostile-host: ${attacks} attacks, ${calls} direct calls, ${served} honest rounds; ${said}; grew by ${grown.toFixed(0)} MiB\n`,
    );
    assert.deepEqual(await honestRows(), rows, "the rows of the honest team");
    assert.ok(served >= 1 && attacks >= 10 && calls >= 5);
    assert.ok(grown < MOST_GROWTH_MIB, `grew by ${grown} MiB`);
    liar.isHonest = true;
    await eventually(
      "connections are closed",
      async () => (await countDescriptors()) - descriptors < MOST_DESCRIPTORS,
    );
    await eventually(
      "its own team can use the host when it is honest",
      async () => (await hostile.create()) !== undefined,
    );
  },
);

async function countDescriptors(): Promise<number> {
  return (await readdir(`/proc/${server.pid}/fd`)).length;
}

let direct: Promise<ReturnType<typeof connectHostAgent>> | undefined;

/** A client of the link in this process, with the authority of the control plane. */
async function openDirect() {
  const kept = await secretQueries.ensureSecret(database.db, "host-authority", () => Buffer.from("{}"));
  const keys = JSON.parse(kept.toString()) as { readonly cert: string; readonly key: string };
  const credentials = await new HostAuthority(keys, systemClock, systemRandom).issueControlPlane();
  const { id } = await database.db
    .selectFrom("hosts")
    .select("id")
    .where("type", "=", "byoc")
    .executeTakeFirstOrThrow();
  const agent = connectHostAgent({
    hostId: formatId("host", id),
    address: liar.address,
    credentials: () => credentials,
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
  });
  release.defer(() => agent.close());
  return agent;
}

/** Every call ends soon after its signal, whatever the host does, and never with another capsule's status. */
async function callsEnd(): Promise<void> {
  direct ??= openDirect();
  const agent = await direct;
  const [id = "cl-1"] = lieNames.slice(-1);
  const signal = AbortSignal.timeout(CALL_MS);
  const works = [
    agent.facts(signal),
    agent.listTemplates(signal),
    agent.listCapsules(signal),
    agent.capsule(id, signal).then((status) => assert.equal(status.id, id)),
    agent.files(id).list("/", 1, { signal }),
    agent.processes(id).list(signal),
    agent.metrics(id, "5m", signal),
    agent
      .dial(id, 80, { halfOpen: true, signal })
      .then((socket) => socket.on("error", () => undefined).destroy()),
    (async () => {
      for await (const bytes of await agent.files(id).archive("/", { signal })) assert.ok(bytes.length > 0);
    })(),
  ];
  const began = performance.now();
  for (const result of await Promise.allSettled(works))
    if (result.status === "rejected" && result.reason instanceof assert.AssertionError) throw result.reason;
  const took = performance.now() - began;
  assert.ok(took < CALL_MS + 5000, `calls ended after ${took} ms`);
}
