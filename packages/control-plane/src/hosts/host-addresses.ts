import { BlockList, isIP, isIPv4 } from "node:net";
import { isLoopback, plainAddress, WrennError } from "@wrenn/core";
import type { HostType } from "@wrenn/database";
import { isClosedAddress, isPublicAddress } from "@wrenn/network";

/** Lowest port that a host may be reached at, so that it does not lead a control plane to a service of another kind. */
const LOWEST_PORT = 1024;
const HTTPS = 443;

/** Networks as `ADDRESS/BITS` or single addresses. @throws Error for something else. */
export function parseNetworks(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    if (isIP(address) === 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits)))
      throw new Error(`not an address or a network: '${network}'`);
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** What the address of a host is judged by. */
export interface HostOrigin {
  readonly type: HostType;
  /** The address that its registration came from. */
  readonly registered_from: string | null;
}

/**
 * Where control planes connect to when they look for a host. A host says itself where it is, and it may be hostile: it must not be able
 * to send connections to the machines next to the control plane.
 */
export class HostAddresses {
  readonly #networks: BlockList;
  readonly #ownMachine: BlockList;

  /**
   * @param networks - networks in which hosts of teams may be, too, by the operator's word. This machine is opened only by networks that
   * are nothing else, and metadata, link-local and multicast addresses by none.
   */
  constructor(networks: readonly string[]) {
    this.#networks = parseNetworks(networks);
    this.#ownMachine = parseNetworks(networks.filter(isOfLoopback));
  }

  /**
   * Whether a host may be at an IP address: the one it registered from, one of the operator's networks or of the internet, and for a
   * host of the platform private networks as well.
   */
  permits(host: HostOrigin, address: string): boolean {
    const ip = plainAddress(address.toLowerCase());
    const family = isIPv4(ip) ? "ipv4" : "ipv6";
    if (isIP(ip) === 0) return false;
    const isKnown = ip === host.registered_from;
    if (isClosedAddress(ip))
      return (isKnown && host.type === "regular") || this.#ownMachine.check(ip, family);
    if (isKnown || this.#networks.check(ip, family)) return true;
    return host.type === "regular" || isPublicAddress(ip);
  }

  /** Like {@link permits}, for a connection. Hosts of the platform from before ports were judged keep theirs. */
  permitsConnection(host: HostOrigin, address: string, port: number): boolean {
    return (host.type === "regular" || isPortOfHost(port)) && this.permits(host, address);
  }

  /**
   * Judges the address that a host registers with. A name is judged by what it stands for, at each connection.
   *
   * @throws WrennError `host_address_refused`.
   */
  requirePermitted(host: HostOrigin, address: string): void {
    const at = address.lastIndexOf(":");
    const name = address.slice(0, at).replaceAll(/^\[|\]$/g, "");
    const port = Number(address.slice(at + 1));
    if (!isPortOfHost(port))
      throw new WrennError("host_address_refused", {
        address,
        problem: "the port must be 1024 to 65535, or 443",
      });
    if (isIP(name) !== 0 ? this.permits(host, name) : !looksLikeAddress(name)) return;
    throw new WrennError("host_address_refused", {
      address,
      problem: "it is not the address that the host connects from, and not in a network that is allowed",
    });
  }
}

/** Whether a network has addresses of this machine alone. */
function isOfLoopback(network: string): boolean {
  const [address = "", bits] = network.split("/");
  return isLoopback(address) && (bits === undefined || Number(bits) >= (isIPv4(address) ? 8 : 128));
}

function isPortOfHost(port: number): boolean {
  return port === HTTPS || (port >= LOWEST_PORT && port <= 65_535);
}

/** Names of digits only, or in hexadecimal, are addresses to some resolvers. */
function looksLikeAddress(name: string): boolean {
  return /^(?:0x[0-9a-f]*|\d+)$/i.test(name.split(".").at(-1) ?? "");
}
