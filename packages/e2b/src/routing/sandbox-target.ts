import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { hostNameOf } from "@wrenn/edge";

const PORT = /^\d{1,5}$/;
const MAX_PORT = 65_535;
/** `{port}-{sandbox id}`; capsules of the platform's own addresses have `cl-` before these characters. */
const LABEL = /^(\d+)-([0-9a-z]{25})$/;

/** A port of a sandbox that a request names. */
export interface SandboxTarget {
  readonly sandboxId: string;
  readonly port: number;
}

/** Why a request that names a sandbox cannot be routed, as plain text for the client. */
export interface BadTarget {
  readonly problem: string;
}

/** What of a request names a sandbox. */
export interface SandboxAddress {
  /** Host header, or `:authority` of HTTP/2. */
  readonly host: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Reads the host `{port}-{sandbox id}.{domain}`; on hosts that name no sandbox themselves (`localhost`, an address, or `sandbox.…`)
 * the fields `E2b-Sandbox-Id` and `E2b-Sandbox-Port`.
 *
 * @param domain - of the server, in lower case.
 * @returns undefined for a request that names no sandbox.
 */
export function sandboxTargetOf(
  { host, headers }: SandboxAddress,
  domain: string,
): SandboxTarget | BadTarget | undefined {
  const name = hostNameOf(host);
  const [, portOfHost, idOfHost] = name.endsWith(`.${domain}`)
    ? (LABEL.exec(name.slice(0, -domain.length - 1)) ?? [])
    : [];
  if (portOfHost !== undefined && idOfHost !== undefined) return targetOf(idOfHost, portOfHost);
  const id = single(headers["e2b-sandbox-id"]);
  const port = single(headers["e2b-sandbox-port"]);
  if ((id === undefined && port === undefined) || !routesByHeader(name)) return undefined;
  if (id === undefined) return { problem: "missing header E2b-Sandbox-Id" };
  if (port === undefined) return { problem: "missing header E2b-Sandbox-Port" };
  return targetOf(id, port);
}

/**
 * Whether a browser asks if a page of another origin may send the fields that name a sandbox. The question itself has their names and not
 * their values.
 */
export function isRoutingPreflight(
  { method, headers }: Pick<IncomingMessage, "method" | "headers">,
  host: string,
): boolean {
  if (method !== "OPTIONS" || !routesByHeader(hostNameOf(host))) return false;
  const asked = headers["access-control-request-headers"] ?? "";
  return asked.split(",").some((name) => name.trim().toLowerCase() === "e2b-sandbox-id");
}

function targetOf(sandboxId: string, port: string): SandboxTarget | BadTarget {
  const number = Number(port);
  if (!PORT.test(port) || number < 1 || number > MAX_PORT) return { problem: "invalid sandbox port" };
  return { sandboxId, port: number };
}

/** Whether a host names no sandbox by itself. */
function routesByHeader(name: string): boolean {
  return name === "localhost" || name.startsWith("sandbox.") || isIP(name.replace(/^\[|\]$/g, "")) !== 0;
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
