import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { systemRandom } from "@wrenn/core";
import { localServerFiles, readLocalClient, reservePort } from "@wrenn/system";
import type { ApiServer } from "../row.ts";

const POLL_MS = 50;
/** What a server that ended said last, in characters. */
const SHOWN = 500;

export interface CheckoutServer extends ApiServer {
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

/**
 * Starts the server of a checkout as a user starts it, on data of its own.
 *
 * @param env - replaces what the bench itself was started with.
 * @param signal - ends the start.
 * @throws Error with what the server said last, where it ends before it is ready.
 */
export async function startCheckoutServer(
  checkout: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<CheckoutServer> {
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp("/tmp/wrenn-bench-");
  undo.defer(async () => await rm(directory, { recursive: true, force: true }));
  // The database and the machines run as users of their own and pass through here.
  await chmod(directory, 0o711);
  const address = `127.0.0.1:${await reservePort(systemRandom)}`;
  const child = spawn(join(checkout, "wrenn"), ["up", "--listen", address], {
    env: {
      ...process.env,
      WRENN_DATA_DIR: directory,
      // As the servers of other rows: nothing is prepared for what comes next.
      WRENN_WARM_MACHINES: "0",
      WRENN_PARKED_MACHINES: "0",
      ...env,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "close").then(() => true);
  // That there is no such program is seen where the end is waited for.
  ended.catch(() => {});
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-SHOWN);
  });
  undo.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill("SIGTERM");
    await ended;
  });
  const url = `http://${address}`;
  while (!(await isReady(url))) {
    signal.throwIfAborted();
    if (await Promise.race([ended, setTimeout(POLL_MS, false)]))
      throw new Error(`the server of ${checkout} ended before it was ready: ${said.trim()}`);
  }
  const client = await readLocalClient(localServerFiles(directory).localClient);
  if (client === undefined) throw new Error(`the server of ${checkout} stored no API key`);
  const owned = undo.move();
  return { url, apiKey: client.apiKey, close: async () => await owned.disposeAsync() };
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/ready`);
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
