import { BlockList, isIP } from "node:net";

/** A variable of the environment. */
type Environment = (name: string) => string | undefined;

/**
 * The proxy for requests to a server: `HTTPS_PROXY` or `HTTP_PROXY`, by the server's protocol, unless `NO_PROXY` names the server.
 * Lower-case names win, as in curl. This machine itself is never reached through a proxy.
 */
export function proxyFor(server: URL, env: Environment): string | undefined {
  const host = hostOf(server);
  if (isLoopback(host)) return undefined;
  const proxy = variable(env, server.protocol === "https:" ? "https_proxy" : "http_proxy");
  if (proxy === undefined) return undefined;
  const port = server.port === "" ? (server.protocol === "https:" ? "443" : "80") : server.port;
  const exceptions = (variable(env, "no_proxy") ?? "").split(/[\s,]+/);
  if (exceptions.some((exception) => matches(exception, host, port))) return undefined;
  return /^[a-z][\w+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/**
 * @param exception - `*`, a domain that means its subdomains, too, an address or a network (`10.0.0.0/8`); all but the last with a
 *   port or without.
 */
function matches(exception: string, host: string, port: string): boolean {
  if (exception === "" || exception === "*") return exception === "*";
  const [, network = "", prefix] = /^([\d.:a-f]+)\/(\d+)$/i.exec(exception) ?? [];
  if (prefix !== undefined) return isInNetwork(host, network, Number(prefix));
  const [, bracketed, name = exception, only] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(exception) ?? [];
  if (only !== undefined && only !== port) return false;
  const domain = (bracketed ?? name).toLowerCase().replace(/^\*?\./, "");
  return host === domain || (isIP(host) === 0 && host.endsWith(`.${domain}`));
}

function isInNetwork(host: string, network: string, prefix: number): boolean {
  const kind = isIP(host);
  if (kind === 0 || kind !== isIP(network) || prefix > (kind === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, prefix, kind === 4 ? "ipv4" : "ipv6");
  return list.check(host, kind === 4 ? "ipv4" : "ipv6");
}

function isLoopback(host: string): boolean {
  return (
    host === "localhost" || host.endsWith(".localhost") || host === "::1" || /^127(?:\.\d+){3}$/.test(host)
  );
}

/** Lower case, without the brackets of an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1");
}

function variable(env: Environment, name: string): string | undefined {
  const value = env(name) ?? env(name.toUpperCase());
  return value === "" ? undefined : value;
}
