import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";

/** Credentials have at most 8 KiB. */
const FIRST_BYTES = 16 << 10;
/** RFC 6455 §7.4.1: a message that is too big. */
const TOO_BIG = 1009;

/**
 * Closes a WebSocket whose first message is not complete within its first bytes: nothing more of it is kept for a client that may turn
 * out to have no credentials.
 */
export function limitFirstMessage(socket: WebSocket, connection: Duplex): void {
  let received = 0;
  const stop = (): void => {
    connection.off("data", count);
    socket.off("message", stop);
  };
  const count = (chunk: Buffer): void => {
    received += chunk.length;
    if (received <= FIRST_BYTES) return;
    stop();
    socket.close(TOO_BIG, "the first message is too long");
    socket.terminate();
  };
  // After the WebSocket's own listener, so that a message that the bytes complete has been seen.
  connection.on("data", count);
  socket.once("message", stop);
  socket.once("close", stop);
}
