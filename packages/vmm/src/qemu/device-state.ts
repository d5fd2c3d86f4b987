import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { abortable, withDeadline, WrennError } from "@wrenn/core";
import { descriptorPair } from "../descriptors/descriptor-pair.ts";
import { limitState } from "./limit-state.ts";
import type { QmpClient } from "./qmp-client.ts";

/** A state is about 200 KiB; minutes of transfer would mean that QEMU hangs. */
const TRANSFER_MS = 30_000;
/** QEMU reports each step of a transfer by an event. Without one it is asked again after this. */
const ASK_AGAIN_MS = 50;
/** More than any device list of ours can need. */
const STATE_LIMIT = 64 << 20;

/** Memory stays in its file. */
const capabilities = {
  capabilities: [
    { capability: "x-ignore-shared", state: true },
    { capability: "events", state: true },
  ],
} as const;

/**
 * QEMU would have the guest announce its address five times after a restore, as if it had moved to another switch. Its interface
 * is in a namespace of its own, where the host asks for the address when it needs it.
 */
const noAnnouncement = { "announce-rounds": 0 } as const;

/** Name of QEMU's end of the connection through which its state goes. */
const STATE_NAME = "state";
const STATE_URI = `fd:${STATE_NAME}`;

/**
 * Saves everything but memory. The state goes through a connection whose other end QEMU is given: there is no path to it.
 *
 * @throws WrennError `operation_failed` when QEMU gives up, or sends more than a state can be. An abort leaves a part of the file.
 */
export async function saveDeviceState(qmp: QmpClient, file: string, signal: AbortSignal): Promise<void> {
  await withDeadline("saving the device state", TRANSFER_MS, signal, async (inner) => {
    using pair = descriptorPair();
    const target = createWriteStream(file, { mode: 0o600 });
    const received = pipeline(pair.ours, limitState(STATE_LIMIT), target, { signal: inner });
    received.catch(() => {});
    await Promise.all([
      qmp.execute("migrate-set-capabilities", capabilities, inner),
      qmp.executeWith("getfd", { fdname: STATE_NAME }, pair.theirs, inner),
    ]);
    // QEMU has the only one that is left: its end is the end of the state.
    pair.closeTheirs();
    using steps = new TransferSteps(qmp);
    await qmp.execute("migrate", { uri: STATE_URI }, inner);
    await Promise.all([untilMigrated(qmp, steps, inner), abortable(inner, received)]);
  });
}

/** Feeds a saved state to a QEMU that was started with `-incoming defer`; the machine is stopped afterwards. */
export async function loadDeviceState(qmp: QmpClient, file: string, signal: AbortSignal): Promise<void> {
  const state = await readFile(file);
  if (state.length === 0 || state.length > STATE_LIMIT) {
    throw new WrennError("machine_start_failed", { problem: `the device state has ${state.length} bytes` });
  }
  await withDeadline("loading the device state", TRANSFER_MS, signal, async (inner) => {
    using steps = new TransferSteps(qmp);
    using pair = descriptorPair();
    // QEMU closes the connection in its own time; what became of the state is asked for below.
    pair.ours.on("error", () => {});
    await Promise.all([
      qmp.execute("migrate-set-capabilities", capabilities, inner),
      qmp.execute("migrate-set-parameters", noAnnouncement, inner),
      qmp.executeWith("getfd", { fdname: STATE_NAME }, pair.theirs, inner),
    ]);
    pair.closeTheirs();
    await qmp.execute("migrate-incoming", { uri: STATE_URI }, inner);
    pair.ours.end(state);
    for (;;) {
      await steps.next(inner);
      const { status } = await qmp.execute("query-status", undefined, inner);
      if (status === "paused" || status === "prelaunch" || status === "running") return;
      if (status !== "inmigrate")
        throw new WrennError("machine_start_failed", {
          problem: `QEMU is ${status} after loading its state`,
        });
    }
  });
}

async function untilMigrated(qmp: QmpClient, steps: TransferSteps, signal: AbortSignal): Promise<void> {
  for (;;) {
    await steps.next(signal);
    const [answer, { status }] = await Promise.all([
      qmp.execute("query-migrate", undefined, signal),
      qmp.execute("query-status", undefined, signal),
    ]);
    if (answer.status === "completed") {
      if (status !== "finish-migrate") return;
      // Its last step, after which it can run again, is not reported.
      steps.expect();
    }
    if (answer.status === "failed" || answer.status === "cancelled") {
      throw new WrennError("operation_failed", {
        operation: "saving the device state",
        problem: answer["error-desc"] ?? answer.status,
      });
    }
  }
}

/** The steps of a transfer, as QEMU's events report them. Asking every millisecond would take time from the loop that transfers. */
class TransferSteps implements Disposable {
  readonly #unsubscribe: () => void;
  #step = Promise.withResolvers<void>();

  constructor(qmp: QmpClient) {
    this.#unsubscribe = qmp.onEvent((event) => {
      if (event === "MIGRATION") this.#step.resolve();
    });
    void qmp.closed.then(() => this.#step.resolve());
  }

  /** Resolves with the next step, with one that was reported since the last call, or after a pause. @throws the signal's reason. */
  async next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const over = new AbortController();
    const pause = sleep(ASK_AGAIN_MS, undefined, { signal: over.signal }).catch(() => {});
    try {
      await abortable(signal, Promise.race([this.#step.promise, pause]));
    } finally {
      over.abort();
    }
    this.#step = Promise.withResolvers<void>();
  }

  /** The next step is not reported: it is looked for at once. */
  expect(): void {
    this.#step.resolve();
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }
}
