import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { dataPaths } from "@wrenn/server";
import { readLocalClient } from "@wrenn/system";
import { apiOf } from "../own-server.ts";
import { timed } from "../row.ts";
import type { Row } from "../row.ts";

const LAUNCHER = fileURLToPath(new URL("../../../../wrenn", import.meta.url));
const CAPSULES = 5;
const POLL_MS = 5;
const DESTROY_MS = 60_000;

/** The whole `wrenn up`, killed while capsules run, until it answers that it is ready again. */
export const restart: Row = {
  name: `SIGKILL of the server → ready, ${CAPSULES} capsules`,
  unit: "ms",
  asked: { p50: 1200, better: "lower" },
  prepare: async ({ signal }) => {
    await using undo = new AsyncDisposableStack();
    const directory = await mkdtemp("/tmp/wrenn-bench-restart-");
    undo.defer(async () => await rm(directory, { recursive: true }));
    const url = `http://127.0.0.1:${await freePort()}`;
    let server: ChildProcess | undefined;
    const start = async (stop: AbortSignal): Promise<void> => {
      if (server === undefined || hasEnded(server)) {
        const env = { ...process.env, WRENN_DATA_DIR: directory };
        server = spawn(LAUNCHER, ["up", "--listen", new URL(url).host], { env, stdio: "ignore" });
      }
      while (!(await isReady(url, stop))) {
        if (hasEnded(server)) throw new Error(`wrenn up ended with ${server.exitCode ?? server.signalCode}`);
        await setTimeout(POLL_MS, undefined, { signal: stop });
      }
    };
    undo.defer(async () => await end(server, "SIGTERM"));
    await start(signal);
    const apiKey = (await readLocalClient(dataPaths(directory).localClient))?.apiKey ?? "";
    const api = apiOf({ url, apiKey }, signal);
    const capsules: string[] = [];
    undo.defer(async () => {
      // Machines outlive the server. After an abort it may be down, or about to start.
      const stop = AbortSignal.timeout(DESTROY_MS);
      await start(stop);
      const last = apiOf({ url, apiKey }, stop);
      for (const id of capsules) await last("DELETE", `/v1/capsules/${id}`);
    });
    for (let n = 0; n < CAPSULES; n++)
      capsules.push((await api<{ id: string }>("POST", "/v1/capsules", { memory_mb: 256 })).id);
    const owned = undo.move();
    return {
      sample: async () =>
        await timed(async () => {
          await end(server, "SIGKILL");
          await start(signal);
        }),
      dispose: () => owned.disposeAsync(),
    };
  },
};

async function isReady(url: string, signal: AbortSignal): Promise<boolean> {
  const answer = await fetch(`${url}/ready`, { signal }).catch(() => undefined);
  signal.throwIfAborted();
  await answer?.arrayBuffer();
  return answer?.ok ?? false;
}

async function end(server: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (server === undefined || hasEnded(server)) return;
  const gone = once(server, "exit");
  server.kill(signal);
  await gone;
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
