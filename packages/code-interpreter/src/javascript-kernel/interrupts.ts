import { createReadStream } from "node:fs";
import { Session } from "node:inspector/promises";
import { createInterface } from "node:readline";
import { parentPort, workerData } from "node:worker_threads";
import { ENDED } from "./protocol.ts";
import type { Command, InterruptsData, Message } from "./protocol.ts";

/*
 * The second thread of the kernel: it reads what the service sends, also while a cell computes, and ends such a cell. A cell that waits
 * is given up by the first thread, which can act then.
 *
 * To terminate is to end whatever the first thread runs, or runs next: also what the kernel does at the end of a cell, or the start of
 * the next one. So it happens only where the first thread has not answered a message, and the next command waits until it is over.
 */

/** Until then the first thread has acted, unless it computes. Doubled each time: a slow machine needs long for the end of a cell. */
const COMPUTES_AFTER_MS = 150;

const { commands, state } = workerData as InterruptsData;
const session = new Session();
session.connectToMainThread();
let cells = 0;

function send(message: Message): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of worker_threads has none
  parentPort?.postMessage(message);
}

/** Whether a cell has ended within this time. */
async function hasEnded(cell: number, withinMs: number): Promise<boolean> {
  const ended = Atomics.load(state, ENDED);
  if (ended >= cell) return true;
  const { value } = Atomics.waitAsync(state, ENDED, ended, withinMs);
  return (await value) !== "timed-out";
}

/** Returns when the cell has ended. */
async function interrupt(cell: number): Promise<void> {
  let waitMs = COMPUTES_AFTER_MS;
  for (let terminated = false; ; waitMs *= 2) {
    send({ type: "giveUp", cell });
    if (await hasEnded(cell, waitMs)) {
      if (terminated) await settle();
      return;
    }
    // Answered when what it ends has ended; refused while one before is not.
    session.post("Runtime.terminateExecution").catch(() => undefined);
    terminated = true;
  }
}

/** A termination that came after the cell's end would end what the first thread runs next: let that be nothing of importance. */
async function settle(): Promise<void> {
  for (;;) {
    const { exceptionDetails } = await session.post("Runtime.evaluate", { expression: "0" }).catch(() => ({
      exceptionDetails: true,
    }));
    if (exceptionDetails === undefined) return;
  }
}

for await (const line of createInterface({
  input: createReadStream("", { fd: commands }),
  crlfDelay: Infinity,
})) {
  const command = JSON.parse(line) as Command;
  if (command.type === "execute") {
    cells += 1;
    send({ type: "execute", cell: cells, command });
  } else if (command.cell === cells) await interrupt(cells);
}
// The service is gone.
process.exit(0);
