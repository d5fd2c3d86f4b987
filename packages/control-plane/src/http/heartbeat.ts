import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { Type } from "typebox";
import type { ClientSocket } from "./client-socket.ts";

/** How often a client that asks for it gets a sign of life while nothing else is sent, in milliseconds. */
export const HEARTBEAT_MS = 15_000;

/** Parameter of the query of sessions that send {@link Heartbeat}s. */
export const heartbeatParameter = Type.String({
  description:
    "`true`: a message `ping` every 15 s, which clients see that do not see frames of the protocol",
  examples: ["true"],
});

export const Heartbeat = Type.Object(
  { type: Type.Literal("ping") },
  {
    title: "Heartbeat",
    description: `With \`heartbeat\`: every ${HEARTBEAT_MS / 1000} s`,
    additionalProperties: false,
  },
);

/**
 * Sends heartbeats to a client that asks for them with `heartbeat=true`, until it is disposed of. Browsers show pages no pings of the
 * protocol.
 */
export function sendHeartbeats(
  socket: Pick<ClientSocket, "send">,
  query: URLSearchParams,
  logger?: Logger,
): Disposable {
  const timer =
    query.get("heartbeat") === "true"
      ? setInterval(() => {
          socket
            .send({ type: "ping" })
            .catch((error: unknown) => logger?.debug("heartbeat.unsent", { problem: problemOf(error) }));
        }, HEARTBEAT_MS)
      : undefined;
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
