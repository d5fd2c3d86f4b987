import { WrennError } from "@wrenn/core";

/** Ports served by path (docs/reference/ports.md#path-form). */
export interface PathPorts {
  /** Host name or address; default: `ports.` and the domain. */
  readonly host?: string;
}

/** What of the server's configuration says where users reach the platform. */
interface ServedAddresses {
  readonly pathPorts?: PathPorts | undefined;
  readonly domain: string;
  readonly host: string;
  readonly publicUrl?: string | undefined;
  readonly tls?: { readonly host: string };
}

const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];
const PORT_LABEL = /^\d+-cl-/;

/** @returns undefined when ports are served by name only. @throws WrennError `invalid_field`. */
export function readPathPorts(env: Readonly<Record<string, string | undefined>>): PathPorts | undefined {
  const choice = env["WRENN_PATH_PORTS"] ?? "off";
  const host = env["WRENN_PATH_PORTS_HOST"];
  if (choice !== "on" && choice !== "off")
    throw new WrennError("invalid_field", {
      field: "WRENN_PATH_PORTS",
      problem: `must be on or off, not '${choice}'`,
    });
  if (choice === "off" && host !== undefined)
    throw new WrennError("invalid_field", {
      field: "WRENN_PATH_PORTS_HOST",
      problem: "has no effect unless WRENN_PATH_PORTS is on",
    });
  if (choice === "off") return undefined;
  return host === undefined ? {} : { host: parseHost(host) };
}

/**
 * Host that serves ports by path; undefined when none does. Cookies ignore ports of a host and may be set for every name below
 * it, so it is never one where the platform answers, nor one above it.
 *
 * @throws WrennError `invalid_field`.
 */
export function pathPortsHost(config: ServedAddresses): string | undefined {
  const { pathPorts, domain } = config;
  if (!pathPorts) return undefined;
  const host = pathPorts.host ?? `ports.${domain}`;
  const clash = platformHosts(config).find((each) => each === host || each.endsWith(`.${host}`));
  if (clash !== undefined)
    throw new WrennError("invalid_field", {
      field: "WRENN_PATH_PORTS_HOST",
      problem: `must be a separate host name: the platform is served on ${clash}, and '${host}' would share its cookies`,
    });
  if (host.endsWith(`.${domain}`) && PORT_LABEL.test(host))
    throw new WrennError("invalid_field", {
      field: "WRENN_PATH_PORTS_HOST",
      problem: `must not be the name of one port, as '${host}' is`,
    });
  return host;
}

/** Where users reach the platform, as far as the configuration says. */
function platformHosts({ domain, publicUrl, host, tls }: ServedAddresses): readonly string[] {
  const isPublic = publicUrl === undefined ? undefined : URL.parse(publicUrl)?.hostname;
  const addresses = [host, tls?.host ?? host].map((each) => (each.includes(":") ? `[${each}]` : each));
  return [domain, ...(isPublic === undefined ? [] : [isPublic]), ...addresses, ...LOOPBACK].map((each) =>
    each.toLowerCase(),
  );
}

/** As browsers write it in the Host header, without port. */
function parseHost(text: string): string {
  const name = text.toLowerCase().replace(/\.$/, "");
  if (URL.parse(`http://${name}/`)?.hostname === name) return name;
  throw new WrennError("invalid_field", {
    field: "WRENN_PATH_PORTS_HOST",
    problem: `must be a host name or an address without port, such as ports.example.org, not '${text}'`,
  });
}
