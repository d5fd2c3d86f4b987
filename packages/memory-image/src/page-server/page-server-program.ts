import type { Duplex } from "node:stream";

/** A program of native/page-server that runs for one machine. */
export interface PageServerProgram {
  /** Carries frames of the protocol. */
  readonly connection: Duplex;
  /** Ends the program and removes its sockets. Idempotent. */
  end(): Promise<void>;
}

export interface PageServerStart {
  /** The local files of the memory, in the order of the program's descriptors. */
  readonly files: readonly string[];
  /** Path of the unix socket to make for the machine; its directory is the program's alone. At most 107 bytes. */
  readonly socket: string;
  /** The user that may connect to the socket. */
  readonly machineUid: number;
  /** The program's own user. */
  readonly serverUid: number;
  readonly memoryMib: number;
}

/** Starts the program in its jail and connects to it. Who composes the packages knows how. */
export type StartPageServerProgram = (
  start: PageServerStart,
  signal: AbortSignal,
) => Promise<PageServerProgram>;
