import type { ForwardedRequest, TrustedProxies } from "@wrenn/core";

/** What a trusted proxy says about the client of a request. */
interface Forwarded {
  readonly address: string;
  readonly protocol: "http" | "https";
  /** Undefined when the proxy passed the client's own Host on. */
  readonly host: string | undefined;
}

const known = new WeakMap<ForwardedRequest, Forwarded>();

/** Records what the proxy of a request says about its client, if it is a trusted one. Everything after that sees the client. */
export function noteForwarded(request: ForwardedRequest, proxies: TrustedProxies): void {
  if (!proxies.trusts(request.socket.remoteAddress ?? "")) return;
  known.set(request, {
    address: proxies.addressOf(request),
    protocol: proxies.protocolOf(request),
    host: proxies.forwardedHost(request),
  });
}

export function forwardedOf(request: ForwardedRequest): Forwarded | undefined {
  return known.get(request);
}
