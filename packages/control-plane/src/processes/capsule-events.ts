import { Type } from "typebox";
import type { ClientSocket } from "../http/client-socket.ts";
import type { SocketContext } from "../http/socket-route.ts";

/** Asks for `paused` and `resumed` messages: clients of the contract know neither. */
export const CapsuleEvents = Type.Optional(Type.Boolean());

/**
 * Sends `paused` when the capsule of a session is paused, and `resumed` when it runs again. The process and the session outlast a pause; output
 * goes on behind `resumed`.
 *
 * @returns the function that ends it.
 */
export function sendCapsuleEvents(socket: ClientSocket, { followStatus, logger }: SocketContext): () => void {
  let isPaused = false;
  return followStatus((status) => {
    const wasPaused = isPaused;
    if (status === "paused") isPaused = true;
    else if (status === "running") isPaused = false;
    if (isPaused !== wasPaused)
      socket
        .send({ type: isPaused ? "paused" : "resumed" })
        .catch((error: unknown) => logger.debug("capsule_event.unsent", { problem: String(error) }));
  });
}
