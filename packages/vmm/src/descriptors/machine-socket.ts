import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { problemOf, WrennError } from "@wrenn/core";
import { hasCode, isAlive } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import { descriptorAddon } from "./descriptor-addon.ts";

const CONNECT_STEP_MS = 1;
/** Attempts between two looks at whether the process that should listen still lives. */
const ALIVE_EVERY = 20;

/** Who has to be at the other end of a socket. */
export interface ExpectedPeer {
  /** The machine's user: its supervisor listens as this user, and QEMU does so again. */
  readonly uid: number;
  /** The attempts end when this process does. */
  readonly process?: ProcessIdentity;
}

/** A connection whose descriptor is known, so that others can be sent with its bytes. */
export interface MachineConnection {
  readonly socket: Socket;
  /** Valid until the socket is destroyed. */
  readonly fd: number;
}

/**
 * Connects to a unix socket of a machine.
 *
 * @returns the descriptor, which belongs to the caller and does not block.
 * @throws an error with the kernel's code, such as ENOENT; WrennError `operation_failed` when another user listens there.
 */
export function connectTo(path: string, uid: number): number {
  const addon = descriptorAddon();
  const fd = addon.connect(path);
  const [, found] = addon.peer(fd);
  if (found === uid) return fd;
  closeSync(fd);
  throw failure(path, `user ${found} answers there, not ${uid}`);
}

/**
 * Connects to a unix socket of a machine, which may not exist yet. An abort leaves nothing behind.
 *
 * @throws WrennError `machine_died` when the process ends before; `operation_failed` when the other end is not the machine's user.
 */
export async function dialMachine(
  path: string,
  peer: ExpectedPeer,
  signal: AbortSignal,
): Promise<MachineConnection> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    if (peer.process && attempt % ALIVE_EVERY === 0 && !(await isAlive(peer.process)))
      throw new WrennError("machine_died", { problem: "QEMU ended before it could be spoken to" });
    try {
      const fd = connectTo(path, peer.uid);
      return { socket: new Socket({ fd, readable: true, writable: true }), fd };
    } catch (error) {
      if (error instanceof WrennError) throw error;
      // EAGAIN: too many wait to be accepted.
      if (!hasCode(error, "ENOENT", "ECONNREFUSED", "EAGAIN")) throw failure(path, problemOf(error), error);
      await new Promise((done) => setTimeout(done, CONNECT_STEP_MS));
    }
  }
}

function failure(path: string, problem: string, cause?: unknown): WrennError {
  return new WrennError("operation_failed", { operation: `connecting to ${path}`, problem }, { cause });
}
