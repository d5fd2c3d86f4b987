import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { clientNetworks } from "@wrenn/core";

/** How many connections may be without a certificate at once. */
export interface StrangerLimits {
  /** Of one IPv4 address, or of one network of 64 bits. */
  readonly perNetwork: number;
  /** Of one site, which has many networks of 64 bits. */
  readonly perSite: number;
  readonly inAll: number;
}

/** More than a control plane opens in a burst; together they leave most descriptors to those that are known. */
export const defaultStrangers: StrangerLimits = { perNetwork: 1000, perSite: 2000, inAll: 4000 };

/** Connections that end together when there are too many in all, so that finding them costs little. */
const VICTIMS = 16;

interface Stranger {
  readonly key: string;
  readonly socket: Socket;
  readonly narrow: string;
  readonly wide: string | undefined;
}

/**
 * Connections whose other side has not shown a certificate yet. Anyone can make them and keep them until the handshake is given up, so
 * that they are counted by network. A newcomer takes the place of the oldest: of the same network when that has its share, of the largest
 * crowd when there are too many in all. A control plane shows its certificate long before it is the oldest.
 */
export class Strangers {
  readonly #limits: StrangerLimits;
  readonly #byKey = new Map<string, Stranger>();
  /** By narrow network, and by site where an address has one; the oldest first. */
  readonly #crowds = new Map<string, Set<Stranger>>();

  constructor(limits: StrangerLimits) {
    this.#limits = limits;
  }

  admit(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    const { narrow, wide } = clientNetworks(remoteAddress);
    const { perNetwork, perSite, inAll } = this.#limits;
    this.#endOldest(narrow, this.#sizeOf(narrow) - perNetwork + 1);
    if (wide !== undefined) this.#endOldest(wide, this.#sizeOf(wide) - perSite + 1);
    if (this.#byKey.size >= inAll) this.#makeRoom();
    const stranger = { key: keyOf(remoteAddress, remotePort), socket, narrow, wide };
    this.#byKey.set(stranger.key, stranger);
    for (const crowd of crowdsOf(stranger)) {
      const strangers = this.#crowds.get(crowd) ?? new Set();
      this.#crowds.set(crowd, strangers.add(stranger));
    }
    socket.once("close", () => this.#forget(stranger));
  }

  known(socket: TLSSocket): void {
    const stranger = this.#byKey.get(keyOf(socket.remoteAddress ?? "", socket.remotePort ?? 0));
    if (stranger) this.#forget(stranger);
  }

  /** Ends all of them: a server that closes waits for no handshake. */
  close(): void {
    for (const { socket } of this.#byKey.values()) socket.destroy();
  }

  #sizeOf(crowd: string): number {
    return this.#crowds.get(crowd)?.size ?? 0;
  }

  #makeRoom(): void {
    let [largest, most] = ["", 0];
    for (const [crowd, { size }] of this.#crowds) if (size > most) [largest, most] = [crowd, size];
    this.#endOldest(largest, Math.min(VICTIMS, Math.ceil(most / 4)));
  }

  #endOldest(crowd: string, count: number): void {
    let left = count;
    for (const stranger of this.#crowds.get(crowd) ?? []) {
      if (left-- <= 0) return;
      this.#forget(stranger);
      stranger.socket.destroy();
    }
  }

  #forget(stranger: Stranger): void {
    if (this.#byKey.get(stranger.key) !== stranger) return;
    this.#byKey.delete(stranger.key);
    for (const crowd of crowdsOf(stranger)) {
      const strangers = this.#crowds.get(crowd);
      strangers?.delete(stranger);
      if (strangers?.size === 0) this.#crowds.delete(crowd);
    }
  }
}

function crowdsOf({ narrow, wide }: Stranger): readonly string[] {
  return wide === undefined ? [narrow] : [narrow, wide];
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`;
}
