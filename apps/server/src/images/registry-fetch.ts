import { lookup } from "node:dns";
import type { LookupAddress, LookupAllOptions } from "node:dns";
import { Agent, request as requestHttp } from "node:http";
import type { IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as requestHttps } from "node:https";
import { isIP } from "node:net";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { defined, WrennError } from "@wrenn/core";
import { isPublicAddress } from "@wrenn/network";
import { noRegistries, trustedHosts } from "../config/registries.ts";
import type { RegistryConfig } from "../config/registries.ts";

/** Looks names up, as `dns.lookup` does. */
export type LookUpAll = (
  host: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Statuses whose responses have no body (Fetch standard, "null body status"). */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * A `fetch` for addresses that users name: references of images, and what registries redirect to. It connects to the public internet
 * only, and to hosts that the operator has named: this machine and the networks around it have services that trust whoever reaches them.
 * A name is judged by the address that is connected to. Redirects are not followed.
 *
 * A proxy of the operator's is reached wherever it is. Names that it looks up are its own affair: `lookUp` is not asked for them.
 *
 * @param trusted - hosts that may be anywhere, as `host` or `host:port`.
 */
export function registryFetch({ trusted, proxies }: RegistryReach, lookUp: LookUpAll = lookup): typeof fetch {
  // No kept connection: it might lead to an address that was found for another caller.
  const agents = {
    plain: new Agent({ keepAlive: false, ...defined({ proxyEnv: proxies }) }),
    tls: new TlsAgent({ keepAlive: false, ...defined({ proxyEnv: proxies }) }),
  };
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const isTrusted = trusted.has(url.host) || trusted.has(url.hostname);
    const address = url.hostname.replace(/^\[(.*)\]$/, "$1");
    // Nothing is looked up for an address.
    if (!isTrusted && isIP(address) !== 0 && !isPublicAddress(address)) throw refusal(url.host);
    const agent = url.protocol === "https:" ? agents.tls : agents.plain;
    return toResponse(await send(url, init, agent, isTrusted ? undefined : publicOnly(url.host, lookUp)));
  };
}

/** What `registryFetch` may reach, and by which way. */
export interface RegistryReach extends Pick<RegistryConfig, "proxies"> {
  readonly trusted: ReadonlySet<string>;
}

/** The same as the configuration says it. */
export function registryReach(config: RegistryConfig = noRegistries): RegistryReach {
  return { trusted: trustedHosts(config), ...defined({ proxies: config.proxies }) };
}

/** Finds public addresses only. */
function publicOnly(host: string, lookUp: LookUpAll): LookupFunction {
  return (name, options, done) => {
    lookUp(name, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, []);
      const permitted = addresses.filter(({ address }) => isPublicAddress(address));
      const [first] = permitted;
      if (first === undefined) return done(refusal(host), []);
      if (options.all === true) done(null, permitted);
      else done(null, first.address, first.family);
    });
  };
}

async function send(
  url: URL,
  init: RequestInit,
  agent: Agent,
  lookup: LookupFunction | undefined,
): Promise<IncomingMessage> {
  const body = bodyOf(init);
  const answered = Promise.withResolvers<IncomingMessage>();
  const request = (url.protocol === "https:" ? requestHttps : requestHttp)(
    url,
    {
      agent,
      ...defined({ method: init.method }),
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(lookup ? { lookup } : {}),
      ...(init.signal ? { signal: init.signal } : {}),
    },
    answered.resolve,
  );
  request.on("error", answered.reject);
  request.end(body);
  return await answered.promise;
}

/** @throws TypeError for a body that is not a text; requests to registries have no others. */
function bodyOf({ body }: RequestInit): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body !== "string") throw new TypeError("the body of a request to a registry is a text");
  return body;
}

function toResponse(incoming: IncomingMessage): Response {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2)
    headers.append(incoming.rawHeaders[at] ?? "", incoming.rawHeaders[at + 1] ?? "");
  const status = incoming.statusCode ?? 0;
  if (WITHOUT_BODY.has(status)) {
    incoming.resume();
    return new Response(null, { status, headers });
  }
  // The type of the stream is that of Node's own module, which differs in details that do not matter here.
  const body = Readable.toWeb(incoming) as unknown as ConstructorParameters<typeof Response>[0];
  return new Response(body, { status, headers });
}

function refusal(host: string): WrennError {
  return new WrennError("registry_unreachable", {
    registry: host,
    problem: "it is not on the public internet, and WRENN_REGISTRY_PRIVATE does not list it",
  });
}
