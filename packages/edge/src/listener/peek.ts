import type { Socket } from "node:net";
import { ClientHelloReader } from "@wrenn/core";
import { FirstHead } from "./first-head.ts";
import type { DestinationReading } from "./first-head.ts";

/** What a connection is for, by its first bytes. */
export type Destination = Pick<Extract<DestinationReading, { state: "named" }>, "host" | "target">;

/** For how long the first bytes are waited for. Programs send them at once; others lose nothing but that their destination is not known. */
const PEEK_MS = 2000;

/** The part of Node's handle of a connection by which reading is stopped: `pause` lets it go on until the buffer is full. */
interface Handle {
  reading: boolean;
  readStop(): number;
  close(): void;
}

/**
 * Looks at the first bytes of a connection that nothing has read yet. They stay in the socket for its reader. A connection that ends
 * without any is closed.
 *
 * @returns what they name; undefined when they name nothing, are too long, or do not come in time.
 */
export async function peekDestination(socket: Socket, isSecure: boolean): Promise<Destination | undefined> {
  const reader = isSecure ? helloReader() : new FirstHead();
  const { promise, resolve } = Promise.withResolvers<Destination | undefined>();
  const pieces: Buffer[] = [];
  /** Bytes have to be back in the socket before its end is reported. */
  const settle = (destination?: Destination): void => {
    socket.removeListener("readable", look);
    if (pieces.length > 0 && !socket.destroyed) socket.unshift(Buffer.concat(pieces.splice(0)));
    resolve(destination);
  };
  const look = (): void => {
    const piece = socket.read() as Buffer | null;
    if (!piece) {
      // The client has finished, and what it sent names nothing.
      if (pieces.length > 0) settle();
      return;
    }
    pieces.push(piece);
    const result = reader.push(piece);
    if (result.state !== "incomplete") settle(result.state === "named" ? result : undefined);
  };
  const nothing = (): void => settle();
  const end = (): void => void socket.destroy();
  const timer = setTimeout(nothing, PEEK_MS);
  socket.on("readable", look).once("end", end).once("close", nothing).on("error", nothing);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.removeListener("end", end).removeListener("close", nothing).removeListener("error", nothing);
  }
}

/**
 * What closes a connection here that is given to another process. Node.js keeps it open until the other process has it, and for good when
 * that one ends before.
 */
export function closerOf(socket: Socket): () => void {
  const handle = handleOf(socket);
  return () => {
    socket.destroy();
    handle?.close();
  };
}

/**
 * Takes the bytes of a connection that this process has, so that it can be given to another one: from now on nothing is read from it here.
 */
export function takeBytes(socket: Socket): Buffer {
  const bytes = socket.read() as Buffer | null;
  // Reading the last of them makes the socket read on, and bytes that are read here are lost to the other process.
  const handle = handleOf(socket);
  if (handle) {
    handle.reading = false;
    handle.readStop();
  }
  return bytes ?? Buffer.alloc(0);
}

function handleOf(socket: Socket): Handle | null {
  return (socket as unknown as { readonly _handle: Handle | null })._handle;
}

function helloReader(): { push: (piece: Buffer) => DestinationReading } {
  const reader = new ClientHelloReader();
  return {
    push: (piece) => {
      const result = reader.push(piece);
      if (result.state === "incomplete") return result;
      if (result.state === "invalid" || result.serverName === undefined) return { state: "unknown" };
      return { state: "named", host: result.serverName, target: undefined };
    },
  };
}
