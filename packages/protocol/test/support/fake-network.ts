import { once } from "node:events";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { WrennError } from "@wrenn/core";
import type { NetworkRules } from "@wrenn/protocol";

const NETWORK = /^(?:(?:\d{1,3}\.){3}\d{1,3}(?:\/\d{1,2})?|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+)$/i;
const NO_NETWORK =
  "must hold IPv4 addresses, CIDR blocks or domain names such as example.com and *.example.com";

/** @throws WrennError `invalid_field` for what is no network. */
export function requireNetworks(rules: NetworkRules): void {
  for (const field of ["allow", "deny"] as const)
    for (const entry of rules[field])
      if (!NETWORK.test(entry)) throw new WrennError("invalid_field", { field, problem: NO_NETWORK });
}

/** Connects to a port of this machine, which stands for that of a capsule. */
export async function dialLocally(
  port: number,
  { halfOpen, signal }: { readonly halfOpen: boolean; readonly signal: AbortSignal },
): Promise<Duplex> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: halfOpen });
  try {
    await once(socket, "connect", { signal });
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  }
  return socket;
}
