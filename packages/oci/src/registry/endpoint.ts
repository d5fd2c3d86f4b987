import { DOCKER_HUB, DOCKER_HUB_HOST } from "../reference/image-reference.ts";

/** Where the API of a registry, or of a mirror of it, is reached. */
export interface RegistryEndpoint {
  /** Host with its port, as credentials are looked up and errors name it. */
  readonly host: string;
  /** The address of its API, with `/v2/` at its end (OCI distribution specification, "Endpoints"). */
  readonly base: URL;
  readonly isMirror: boolean;
}

export interface EndpointSettings {
  /** Addresses of mirrors by registry (`docker.io`), such as `https://mirror.example/cache` or `mirror:5000`; they are tried in this order. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  /** Hosts with their ports that are reached by plain HTTP, besides those of this machine. */
  readonly plainHttp: readonly string[];
}

/** The places to ask for images of a registry: its mirrors in their order, and the registry itself. */
export function endpointsOf(
  registry: string,
  { mirrors, plainHttp }: EndpointSettings,
): readonly RegistryEndpoint[] {
  const own = registry === DOCKER_HUB ? DOCKER_HUB_HOST : registry;
  return [
    ...(mirrors[registry] ?? []).map((address) => endpointAt(address, { plainHttp, isMirror: true })),
    { ...endpointAt(own, { plainHttp, isMirror: false }), host: registry },
  ];
}

function endpointAt(
  address: string,
  { plainHttp, isMirror }: { readonly plainHttp: readonly string[]; readonly isMirror: boolean },
): RegistryEndpoint {
  const hasScheme = /^https?:\/\//.test(address);
  const scheme = plainHttp.includes(address) || isThisMachine(address) ? "http" : "https";
  const url = new URL(hasScheme ? address : `${scheme}://${address}`);
  return { host: url.host, base: new URL(`${url.pathname.replace(/\/*$/, "")}/v2/`, url.origin), isMirror };
}

/** Docker reaches registries of its own machine by plain HTTP as well. */
function isThisMachine(address: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?(?:\/|$)/.test(address);
}
