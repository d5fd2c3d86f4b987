import { resolve } from "node:path";
import { defined, WrennError } from "@wrenn/core";

/** Which registries images are imported from, and how (docs/operations/registries.md). */
export interface RegistryConfig {
  /** The registry of references that name none; default: Docker Hub. */
  readonly defaultRegistry?: string;
  /** Addresses that are asked before a registry, by its name. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  /** Hosts that are reached by plain HTTP. */
  readonly plainHttp: readonly string[];
  /** Hosts that may be in private networks or on this machine. */
  readonly privateHosts: readonly string[];
  /** File with the passwords of registries, as Docker has it. */
  readonly credentialsFile?: string;
  /** The proxies of the host, under the usual names of their variables. */
  readonly proxies?: Readonly<Partial<Record<ProxyVariable, string>>>;
}

/** Every registry by its own name, on the public internet. */
export const noRegistries: RegistryConfig = { mirrors: {}, plainHttp: [], privateHosts: [] };

const proxyVariables = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
] as const;
type ProxyVariable = (typeof proxyVariables)[number];

/** A host name or address, with a port if it is not the usual one. */
const HOST = /^(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/;
const MIRROR = /^([^=]+)=((?:https?:\/\/)?(?!\w+:\/\/)[^=\s]+)$/;

/** @throws WrennError `invalid_field`. */
export function readRegistries(env: Readonly<Record<string, string | undefined>>): RegistryConfig {
  const [defaultRegistry, ...more] = hostsOf(env, "WRENN_REGISTRY_DEFAULT");
  if (more.length > 0) throw invalid("WRENN_REGISTRY_DEFAULT", "must be one host");
  const file = env["WRENN_REGISTRY_CONFIG"];
  return {
    ...(defaultRegistry === undefined ? {} : { defaultRegistry }),
    mirrors: mirrorsOf(env),
    plainHttp: hostsOf(env, "WRENN_REGISTRY_PLAIN_HTTP"),
    privateHosts: hostsOf(env, "WRENN_REGISTRY_PRIVATE"),
    ...(file === undefined ? {} : { credentialsFile: resolve(file) }),
    ...defined({ proxies: proxiesOf(env) }),
  };
}

/** Hosts that the operator has named, and that may therefore be anywhere. */
export function trustedHosts({ mirrors, plainHttp, privateHosts }: RegistryConfig): ReadonlySet<string> {
  const addresses = Object.values(mirrors).flat();
  const mirrorHosts = addresses.map((address) => new URL(withScheme(address)).host);
  return new Set([...mirrorHosts, ...plainHttp, ...privateHosts]);
}

function proxiesOf(env: Readonly<Record<string, string | undefined>>): RegistryConfig["proxies"] {
  const proxies: Partial<Record<ProxyVariable, string>> = {};
  for (const name of proxyVariables) {
    const value = env[name];
    if (value === undefined || value === "") continue;
    if (name.toLowerCase() === "no_proxy") {
      proxies[name] = value;
      continue;
    }
    const address = /^[a-z0-9]+:\/\//i.test(value) ? value : `http://${value}`;
    if (!/^https?:$/.test(URL.parse(address)?.protocol ?? ""))
      throw invalid(name, "must be the address of an HTTP proxy, such as http://proxy.example.org:3128");
    proxies[name] = address;
  }
  return Object.keys(proxies).length === 0 ? undefined : proxies;
}

function mirrorsOf(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, readonly string[]>> {
  const field = "WRENN_REGISTRY_MIRRORS";
  const mirrors = new Map<string, string[]>();
  for (const item of itemsOf(env[field])) {
    const [, registry = "", address = ""] = MIRROR.exec(item) ?? [];
    const url = URL.parse(withScheme(address));
    if (!HOST.test(registry.toLowerCase()) || url === null || url.username !== "" || url.search !== "")
      throw invalid(field, `must list REGISTRY=ADDRESS, such as docker.io=https://mirror.example.org`);
    const name = registry.toLowerCase();
    mirrors.set(name, [...(mirrors.get(name) ?? []), address]);
  }
  return Object.fromEntries(mirrors);
}

function hostsOf(env: Readonly<Record<string, string | undefined>>, field: string): readonly string[] {
  return itemsOf(env[field]).map((item) => {
    const host = item.toLowerCase();
    if (!HOST.test(host))
      throw invalid(field, `must list hosts, such as registry.example.org:5000, not '${item}'`);
    return host;
  });
}

function itemsOf(text: string | undefined): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function withScheme(address: string): string {
  return /^https?:\/\//.test(address) ? address : `https://${address}`;
}

function invalid(field: string, problem: string): WrennError {
  return new WrennError("invalid_field", { field, problem });
}
