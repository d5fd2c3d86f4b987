import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { WrennError } from "@wrenn/core";
import type { Upstream } from "./host-rules.ts";

const DNS_PORT = 53;
/** resolv.conf(5) takes no more. */
const MAX_UPSTREAMS = 3;

/** Parses `192.0.2.1`, `192.0.2.1:5353` or `[2001:db8::1]:5353`. @throws WrennError `invalid_field`. */
export function parseUpstream(text: string): Upstream {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const address = isIP(text) ? text : (match?.[1] ?? match?.[2] ?? "");
  const port = isIP(text) ? DNS_PORT : Number(match?.[3] ?? DNS_PORT);
  if (isIP(address) === 0 || port < 1 || port > 65_535)
    throw new WrennError("invalid_field", { field: "resolvers", problem: "must be ADDRESS or ADDRESS:PORT" });
  return { address, port };
}

const RESOLV_CONF = "/etc/resolv.conf";

/** Zones in which the host looks up short names: those of the network that it is in. */
export async function hostSearchDomains(path = RESOLV_CONF): Promise<readonly string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const domains = text
    .split("\n")
    .flatMap((line) => /^(?:search|domain)\s+(.*)$/.exec(line)?.[1]?.split(/\s+/) ?? []);
  return domains
    .map((domain) => domain.toLowerCase().replace(/\.$/, ""))
    .filter((domain) => /^[a-z0-9_.-]{1,253}$/.test(domain));
}

/** The resolvers that the host itself asks. */
export async function hostUpstreams(path = RESOLV_CONF): Promise<readonly Upstream[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .map((line) => /^nameserver\s+([0-9a-fA-F.:]+)(?:\s|$)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address) !== 0)
    .slice(0, MAX_UPSTREAMS)
    .map((address) => ({ address, port: DNS_PORT }));
}
