import type { IncomingHttpHeaders } from "node:http";
import { BlockList, isIP, SocketAddress } from "node:net";
import { WrennError } from "./wrenn-error.ts";
import { isLoopback, plainAddress } from "./client-network.ts";

/** A request, as far as it says where it comes from. */
export interface ForwardedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly httpVersion?: string;
  readonly socket: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean };
}

/** Hosts and ports of a Host header; no user information, path or white space. */
const HOST = /^[\w.:[\]-]{1,255}$/;
/** An entry of `X-Forwarded-For` with a port, or with brackets. */
const WITH_PORT = /^(?:\[([^\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/;
/** Names of this machine, with or without a port. */
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;
/** Fields by which a proxy says that it forwards a request. */
const FORWARDING = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] as const;

/**
 * The proxies in front of the server. Only what they say about a client is believed: its address (the last one of `X-Forwarded-For` that
 * is not a trusted proxy), its protocol (`X-Forwarded-Proto`) and the host that it asked for (`X-Forwarded-Host`).
 */
export class TrustedProxies {
  /** Trusts no one. */
  static readonly none = new TrustedProxies(new BlockList());
  readonly #networks: BlockList;

  private constructor(networks: BlockList) {
    this.#networks = networks;
  }

  /**
   * @param text - addresses and networks in CIDR notation, separated by commas.
   * @throws WrennError `invalid_field`.
   */
  static parse(field: string, text: string): TrustedProxies {
    const networks = new BlockList();
    for (const entry of text.split(",").map((part) => part.trim())) {
      const [address = "", bits, ...more] = entry.split("/");
      const version = isIP(address);
      const most = version === 6 ? 128 : 32;
      const prefix = bits === undefined ? most : Number(/^\d{1,3}$/.test(bits) ? bits : Number.NaN);
      // A prefix of 0 would let every client say who it is.
      if (version === 0 || more.length > 0 || !(prefix >= 1 && prefix <= most)) {
        throw new WrennError("invalid_field", {
          field,
          problem: `must be addresses and networks like 10.0.0.0/8,2001:db8::1, not '${entry}'`,
        });
      }
      networks.addSubnet(address, prefix, version === 6 ? "ipv6" : "ipv4");
    }
    return new TrustedProxies(networks);
  }

  trusts(ip: string): boolean {
    const address = plainAddress(ip);
    const version = isIP(address);
    return version !== 0 && this.#networks.check(address, version === 6 ? "ipv6" : "ipv4");
  }

  /** Address of the client; empty when its connection is gone. */
  addressOf({ headers, socket }: ForwardedRequest): string {
    let address = plainAddress(socket.remoteAddress ?? "");
    const forwarded = listOf(headers["x-forwarded-for"]);
    // Each proxy appends the address that it saw, so the list is believed from its end.
    while (this.trusts(address)) {
      const before = forwarded.pop();
      const next = addressIn(before);
      if (next === undefined) return address;
      address = next;
    }
    return address;
  }

  protocolOf({ headers, socket }: ForwardedRequest): "http" | "https" {
    const own = socket.encrypted === true ? "https" : "http";
    if (!this.trusts(socket.remoteAddress ?? "")) return own;
    const said = listOf(headers["x-forwarded-proto"]).pop()?.toLowerCase();
    return said === "https" || said === "http" ? said : own;
  }

  /** The host that the client asked a trusted proxy for; undefined when the request's own host counts. */
  forwardedHost({ headers, socket }: ForwardedRequest): string | undefined {
    if (!this.trusts(socket.remoteAddress ?? "")) return undefined;
    const said = listOf(headers["x-forwarded-host"]).pop();
    return said !== undefined && HOST.test(said) ? said : undefined;
  }

  /**
   * Whether the client is a program of this machine that asked for this machine. A proxy of this machine does not make its clients local:
   * one that is trusted has to name them, and what another one sends is told by its fields, by the name that its client asked for, or by
   * HTTP/1.0, which nginx speaks by default. A proxy without any of these is not recognised.
   */
  isLocal(request: ForwardedRequest): boolean {
    const { headers, httpVersion, socket } = request;
    const authority = headers[":authority"];
    const own = typeof authority === "string" ? authority : headers.host;
    const host = this.forwardedHost(request) ?? own ?? "localhost";
    if (httpVersion === "1.0" || !LOOPBACK_HOST.test(host)) return false;
    if (!isLoopback(this.addressOf(request))) return false;
    if (this.trusts(socket.remoteAddress ?? "")) return headers["x-forwarded-for"] !== undefined;
    return FORWARDING.every((name) => headers[name] === undefined);
  }
}

/** The address of an entry of `X-Forwarded-For` in its one spelling, without port and zone; undefined when it has none. */
function addressIn(entry = ""): string | undefined {
  const [, bracketed, withPort] = WITH_PORT.exec(entry) ?? [];
  const [text = ""] = (bracketed ?? withPort ?? entry).split("%");
  const version = isIP(text);
  if (version === 0) return undefined;
  return version === 4 ? text : plainAddress(new SocketAddress({ address: text, family: "ipv6" }).address);
}

function listOf(header: string | readonly string[] | undefined): string[] {
  const text = typeof header === "string" ? header : (header ?? []).join(",");
  return text === "" ? [] : text.split(",").map((part) => part.trim());
}
