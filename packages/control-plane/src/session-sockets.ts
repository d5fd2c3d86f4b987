import { fileSockets } from "./files/register-files.ts";
import type { SocketRoute } from "./http/socket-route.ts";
import type { PortAddresses } from "./ports/ports.ts";
import { portTunnel } from "./ports/port-tunnel.ts";
import { processSockets } from "./processes/register-processes.ts";

/** The WebSocket routes of capsules. */
export function sessionSockets(edge: Pick<PortAddresses, "openPort">): readonly SocketRoute[] {
  return [...processSockets(), ...fileSockets, portTunnel(edge)];
}
