import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

const PORT = /^\d{1,5}$/;
const MAX_PORT = 65_535;

/** A port of a sandbox that a request names by its headers. */
export interface SandboxTarget {
  readonly sandboxId: string;
  readonly port: number;
}

/** Why a request that names a sandbox cannot be routed, as plain text for the client. */
export interface BadTarget {
  readonly problem: string;
}

/**
 * Reads `E2b-Sandbox-Id` and `E2b-Sandbox-Port` on hosts that name no sandbox themselves: `localhost`, an address, or
 * `sandbox.…`.
 *
 * @returns undefined for a request that is not routed by headers.
 */
export function sandboxTargetOf(headers: IncomingHttpHeaders): SandboxTarget | BadTarget | undefined {
  const id = single(headers["e2b-sandbox-id"]);
  const port = single(headers["e2b-sandbox-port"]);
  if ((id === undefined && port === undefined) || !routesByHeader(headers.host ?? "")) return undefined;
  if (id === undefined) return { problem: "missing header E2b-Sandbox-Id" };
  if (port === undefined) return { problem: "missing header E2b-Sandbox-Port" };
  const number = Number(port);
  if (!PORT.test(port) || number < 1 || number > MAX_PORT) return { problem: "invalid sandbox port" };
  return { sandboxId: id, port: number };
}

/** Whether a host names no sandbox by itself. */
function routesByHeader(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d*$/, "");
  return name === "localhost" || name.startsWith("sandbox.") || isIP(name.replace(/^\[|\]$/g, "")) !== 0;
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
