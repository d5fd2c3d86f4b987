import { fork } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { openDatabase } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { readConfig, startControlPlane } from "@wrenn/server";
import { reservePort } from "@wrenn/system";
import { apiOf } from "../own-server.ts";
import type { ApiContext } from "../row.ts";

const TOKEN_MS = 10 * 60_000;
const CONNECTED_MS = 60_000;
const POLL_MS = 100;
const TEMPLATE = '"minimal"';

/** A control plane without a host in this process, and one host in another, joined by a link on the loopback interface. */
export interface JoinedHostLab extends ApiContext {
  readonly close: () => Promise<void>;
}

export async function startJoinedHostLab(signal: AbortSignal): Promise<JoinedHostLab> {
  const root = await mkdtemp("/tmp/wrenn-bench-host-");
  await chmod(root, 0o711);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(root, { recursive: true, force: true }));
  const config = readConfig(process.env, "127.0.0.1:0");
  const { cacheDirectory } = config;
  const database = await openDatabase(
    { directory: join(root, "db"), cacheDirectory, logger: silentLogger },
    signal,
  );
  undo.defer(() => database.close());
  const dataDirectory = join(root, "control-plane");
  await mkdir(dataDirectory);
  const socket = encodeURIComponent(join(root, "db/run"));
  const controlPlane = await startControlPlane({
    config: { ...config, dataDirectory, databaseUrl: `postgres://wrenn-postgres@/postgres?host=${socket}` },
    logger: silentLogger,
    progress: () => {},
    signal,
  });
  undo.defer(() => controlPlane.close("destroy"));
  const { url, apiKey = "" } = controlPlane;
  const child = fork(join(import.meta.dirname, "process.ts"), [
    JSON.stringify({
      dataDirectory: join(root, "host"),
      cacheDirectory,
      // The host registers the port before it listens on it.
      port: await reservePort(systemRandom),
      url,
      token: await announceHost(database),
    }),
  ]);
  const exited = once(child, "exit");
  undo.defer(async () => {
    if (child.connected) child.disconnect();
    await exited;
  });
  await Promise.race([
    once(child, "message"),
    exited.then(([code]) => Promise.reject(new Error(`the host exited: ${String(code)}`))),
  ]);
  const server = { url, apiKey };
  const api = apiOf(server, signal);
  await templatesListed(api, signal);
  const owned = undo.move();
  return { server, api, close: () => owned.disposeAsync() };
}

/** A host can be given capsules once the control plane has connected to it and listed its templates. */
async function templatesListed(api: ApiContext["api"], signal: AbortSignal): Promise<void> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(CONNECTED_MS)]);
  while (!JSON.stringify(await api("GET", "/v1/snapshots")).includes(TEMPLATE))
    await systemClock.sleep(POLL_MS, late);
}

/** What an administrator does before a machine may join; gives the registration token. */
async function announceHost({ db }: Database): Promise<string> {
  const token = randomUUID();
  const id = randomUUID();
  await db.insertInto("hosts").values({ id, type: "regular", status: "pending" }).execute();
  await db
    .insertInto("host_tokens")
    .values({
      hash: createHash("sha256").update(token).digest("hex"),
      host_id: id,
      purpose: "registration",
      expires_at: new Date(Date.now() + TOKEN_MS),
    })
    .execute();
  return token;
}
