import type { CallOptions } from "../transport/call-options.ts";
import type { HttpClient } from "../transport/http.ts";
import { invalidOption, present, requireKnownOptions, secondsOf } from "../transport/options.ts";
import { serverInfo } from "../wrenn/server-info.ts";
import type { WireAnswer, WireObject } from "../wire/api-types.ts";

/** Who may use a port: everyone, or credentials of the team and signed links. */
export type PortAccess = "public" | "private";

/** A socket of a capsule that waits for connections (TCP) or datagrams (UDP). */
export interface ListeningPort {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** What it is bound to; `0.0.0.0` and `::` are every address. */
  readonly address: string;
  /** Name of the process, as the guest says. */
  readonly process?: string;
  readonly pid?: number;
  /** User that the socket belongs to. */
  readonly uid: number;
  /** Whether `url` leads to it. */
  readonly isReachable: boolean;
  readonly access: PortAccess;
  readonly url?: string;
}

/** What listens in a capsule: now, or last when it does not run. */
export interface ListeningPorts {
  readonly ports: readonly ListeningPort[];
  /** Sockets beyond the first 256. */
  readonly unlisted: number;
  /** When the host looked. */
  readonly seenAt?: Date;
}

/** A port whose access was set. */
export interface PortSetting {
  readonly port: number;
  readonly access: PortAccess;
  readonly url: string;
}

/** A signed link to a port: it works for everyone who has its address. */
export interface PortLink {
  readonly id: string;
  readonly port: number;
  /** Id of the user or API key that made it; the link ends with it. */
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** A new link, whose address is shown this once. */
export interface NewPortLink extends PortLink {
  readonly url: string;
}

/** Which address of a port. */
export interface UrlOptions extends CallOptions {
  /** `ws`: the address of a WebSocket. Default: `http`. Both are over TLS where the server uses it. */
  readonly scheme?: "http" | "ws" | undefined;
  /** Path and query, beginning with a slash. Default: `/`. */
  readonly path?: string | undefined;
}

/** Which address of a port, and for how long it works. */
export interface SignedUrlOptions extends UrlOptions {
  /** Milliseconds for which it works, in whole seconds, at most 30 days. Default: an hour. */
  readonly ttlMs?: number | undefined;
}

/** Which signed links are listed. */
export interface PortLinksOptions extends CallOptions {
  /** Only links to this port. */
  readonly port?: number | undefined;
}

const urlOptionNames = ["scheme", "path", "signal"] as const satisfies readonly (keyof UrlOptions)[];

/** The address of a port. It is made here, of what the server says once. */
export async function portUrl(
  http: HttpClient,
  capsuleId: string,
  port: number,
  options: UrlOptions,
): Promise<string> {
  const call = "Capsule.getUrl";
  requireKnownOptions(call, options, urlOptionNames);
  requirePort(call, port);
  const { ports } = await serverInfo(http, options.signal);
  return addressOf(call, `${ports.scheme}://${port}-${capsuleId}.${ports.domain}:${ports.port}/`, options);
}

export async function createPortLink(
  http: HttpClient,
  path: string,
  port: number,
  options: SignedUrlOptions,
): Promise<NewPortLink> {
  const call = "Capsule.createLink";
  requireKnownOptions(call, options, [...urlOptionNames, "ttlMs"]);
  requirePort(call, port);
  const { ttlMs, signal } = options;
  const json = present({ expires_in_sec: ttlMs === undefined ? undefined : secondsOf(call, "ttlMs", ttlMs) });
  const link = await http.json<WireAnswer<"POST /v1/capsules/{id}/ports/{port}/link">>(
    "POST",
    `${path}/ports/${port}/link`,
    { json, signal },
  );
  return Object.freeze({ ...linkOf(link), url: addressOf(call, link.url, options) });
}

export function linkOf(wire: WireAnswer<"GET /v1/capsules/{id}/ports/links">[number]): PortLink {
  return Object.freeze({
    id: wire.id,
    port: wire.port,
    createdBy: wire.created_by,
    createdAt: new Date(wire.created_at),
    expiresAt: new Date(wire.expires_at),
  });
}

export async function readListeningPorts(
  http: HttpClient,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ListeningPorts> {
  const { ports, unlisted, seen_at } = await http.json<WireAnswer<"GET /v1/capsules/{id}/ports/listening">>(
    "GET",
    `${path}/ports/listening`,
    { signal },
  );
  return Object.freeze({
    ports: Object.freeze(ports.map(listeningOf)),
    unlisted,
    ...(seen_at === null ? {} : { seenAt: new Date(seen_at) }),
  });
}

/** @throws WrennError `invalid_option`. */
export function requirePort(call: string, port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw invalidOption(call, "port", `must be a whole number from 1 to 65535, not ${String(port)}`);
}

function listeningOf({ reachable, ...wire }: WireObject<"ListeningPort">): ListeningPort {
  return Object.freeze({ ...wire, isReachable: reachable });
}

/** The address with another path, whose query comes before that of the address. @throws WrennError `invalid_option`. */
function addressOf(call: string, address: string, { scheme = "http", path = "/" }: UrlOptions): string {
  if (scheme !== "http" && scheme !== "ws") throw invalidOption(call, "scheme", "must be 'http' or 'ws'");
  const base = new URL(address);
  const target = path.startsWith("/") && !path.startsWith("//") ? new URL(path, base) : undefined;
  if (target?.origin !== base.origin) throw invalidOption(call, "path", "must begin with one slash");
  for (const [name, value] of base.searchParams) target.searchParams.append(name, value);
  return scheme === "ws" ? target.href.replace(/^http/, "ws") : target.href;
}
