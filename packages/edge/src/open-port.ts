import type { Duplex } from "node:stream";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { ConnectionTracker } from "./connection-tracker.ts";
import { reservedPorts } from "./edge-options.ts";
import type { EdgeLimits, EdgeOptions } from "./edge-options.ts";
import { upstreamError } from "./http/upstream-error.ts";
import type { PortTarget } from "./port-target.ts";
import type { RouteTable } from "./routing/route-table.ts";
import { connectTo } from "./upstream/connect-to.ts";
import { dial } from "./upstream/dial.ts";

export interface OpenPortParts {
  readonly options: Pick<EdgeOptions, "reservedPorts">;
  readonly limits: EdgeLimits;
  readonly connections: ConnectionTracker;
  readonly routes: RouteTable;
  readonly clock: Clock;
  readonly closed: AbortSignal;
}

/**
 * A connection to a port of a running capsule whose directions end on their own. The capsule is held until it is closed, and a pause that
 * has waited long enough destroys it with `port_draining`. Who may use the port is its caller's to check.
 *
 * @param signal - gives the attempt up.
 * @throws WrennError `port_reserved`, `port_not_listening`, `port_timeout`, `port_unreachable`, `port_draining`; `capsule_not_running`.
 */
export async function openPort(
  { options, limits, connections, routes, clock, closed }: OpenPortParts,
  { capsuleId, port }: PortTarget,
  signal: AbortSignal,
): Promise<Duplex> {
  if (reservedPorts(options).has(port)) throw new WrennError("port_reserved", { port });
  const route = await routes.live(capsuleId, await routes.find(capsuleId));
  const hold = connections.acquire(capsuleId);
  const place = { address: route.address, port, connect: route.connect, isSecure: false };
  const attempt = AbortSignal.any([signal, hold.signal, closed]);
  let connection: Duplex;
  try {
    connection = await dial(async (ms, one) => connectTo(place, true, ms, one), limits, clock, attempt);
  } catch (error) {
    hold.release();
    attempt.throwIfAborted();
    throw upstreamError(error, port, limits);
  }
  const onForce = (): void => void connection.destroy(hold.signal.reason as Error);
  hold.signal.addEventListener("abort", onForce, { once: true });
  connection.once("close", () => {
    hold.signal.removeEventListener("abort", onForce);
    hold.release();
  });
  if (hold.signal.aborted) onForce();
  return connection;
}
