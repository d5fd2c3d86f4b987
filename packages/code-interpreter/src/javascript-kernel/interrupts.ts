import { createReadStream } from "node:fs";
import { Session } from "node:inspector";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { RUNNING } from "./protocol.ts";
import type { Command, InterruptsData } from "./protocol.ts";

/*
 * The second thread of the kernel: it reads what the service sends, also while a cell computes, and ends such a cell. A cell that waits
 * is given up by the first thread, which can act then.
 */

/** Until then the first thread has acted, unless it computes. */
const COMPUTES_AFTER_MS = 150;
const AGAIN_AFTER_MS = 300;

const { commands, state } = workerData as InterruptsData;
const session = new Session();
session.connectToMainThread();

async function interrupt(): Promise<void> {
  await sleep(COMPUTES_AFTER_MS);
  while (Atomics.load(state, RUNNING) === 1) {
    session.post("Runtime.terminateExecution");
    await sleep(AGAIN_AFTER_MS);
  }
}

for await (const line of createInterface({
  input: createReadStream("", { fd: commands }),
  crlfDelay: Infinity,
})) {
  const command = JSON.parse(line) as Command;
  if (command.type === "execute") Atomics.store(state, RUNNING, 1);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of worker_threads has none
  parentPort?.postMessage(command);
  if (command.type === "interrupt") void interrupt();
}
// The service is gone.
process.exit(0);
