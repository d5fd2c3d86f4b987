import { createWriteStream } from "node:fs";
import { chown, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { pipeline } from "node:stream/promises";
import { abortable, withDeadline, WrennError } from "@wrenn/core";
import { dial } from "./qmp-client.ts";
import type { QmpClient } from "./qmp-client.ts";

/** A state is about 200 KiB; minutes of transfer would mean that QEMU hangs. */
const TRANSFER_MS = 30_000;
const POLL_MS = 1;
/** More than any device list of ours can need. */
const STATE_LIMIT = 64 << 20;

const memoryStaysInItsFile = { capabilities: [{ capability: "x-ignore-shared", state: true }] } as const;

/**
 * QEMU would have the guest announce its address five times after a restore, as if it had moved to another switch. Its interface
 * is in a namespace of its own, where the host asks for the address when it needs it.
 */
const noAnnouncement = { "announce-rounds": 0 } as const;

/**
 * Saves everything but memory. QEMU connects to a socket of ours, because its seccomp filter forbids it to start a program.
 *
 * @throws WrennError `operation_failed` when QEMU gives up.
 */
export async function saveDeviceState(
  qmp: QmpClient,
  socketPath: string,
  file: string,
  uid: number,
  signal: AbortSignal,
): Promise<void> {
  await withDeadline("saving the device state", TRANSFER_MS, signal, async (inner) => {
    await rm(socketPath, { force: true });
    const server = createServer();
    const received = new Promise<void>((resolve, reject) => {
      server.once("connection", (socket) => {
        server.close();
        pipeline(socket, createWriteStream(file, { mode: 0o600 }), { signal: inner }).then(resolve, reject);
      });
      server.once("error", reject);
    });
    received.catch(() => {});
    try {
      await new Promise<void>((resolve) => server.listen(socketPath, resolve));
      await chown(socketPath, uid, uid);
      await qmp.execute("migrate-set-capabilities", memoryStaysInItsFile, inner);
      await qmp.execute("migrate", { uri: `unix:${socketPath}` }, inner);
      await untilMigrated(qmp, inner);
      await abortable(inner, received);
    } finally {
      server.close();
      await rm(socketPath, { force: true });
    }
  });
}

/** Feeds a saved state to a QEMU that was started with `-incoming defer`; the machine is stopped afterwards. */
export async function loadDeviceState(
  qmp: QmpClient,
  socketPath: string,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const state = await readFile(file);
  if (state.length === 0 || state.length > STATE_LIMIT) {
    throw new WrennError("machine_start_failed", { problem: `the device state has ${state.length} bytes` });
  }
  await withDeadline("loading the device state", TRANSFER_MS, signal, async (inner) => {
    await qmp.execute("migrate-set-capabilities", memoryStaysInItsFile, inner);
    await qmp.execute("migrate-set-parameters", noAnnouncement, inner);
    await qmp.execute("migrate-incoming", { uri: `unix:${socketPath}` }, inner);
    const socket = await dial(socketPath, inner);
    // QEMU closes the connection in its own time; what became of the state is asked for below.
    socket.on("error", () => {});
    socket.end(state);
    try {
      for (;;) {
        const { status } = await qmp.execute("query-status", undefined, inner);
        if (status === "paused" || status === "prelaunch" || status === "running") return;
        if (status !== "inmigrate")
          throw new WrennError("machine_start_failed", {
            problem: `QEMU is ${status} after loading its state`,
          });
        await pause(POLL_MS);
      }
    } finally {
      socket.destroy();
    }
  });
}

async function untilMigrated(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const answer = await qmp.execute("query-migrate", undefined, signal);
    if (answer.status === "completed") return;
    if (answer.status === "failed" || answer.status === "cancelled") {
      throw new WrennError("operation_failed", {
        operation: "saving the device state",
        problem: answer["error-desc"] ?? answer.status,
      });
    }
    await pause(POLL_MS);
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
