import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** How many connections may be without a certificate at once. */
export interface StrangerLimits {
  readonly perAddress: number;
  readonly inAll: number;
}

/** More than a control plane opens in a burst; together they leave most descriptors to those that are known. */
export const defaultStrangers: StrangerLimits = { perAddress: 1000, inAll: 4000 };

/**
 * Connections whose other side has not shown a certificate yet. Anyone can make them and keep them until the handshake is given up, so
 * that they are counted, and those beyond the limits are closed at once.
 */
export class Strangers {
  readonly #limits: StrangerLimits;
  readonly #waiting = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(limits: StrangerLimits) {
    this.#limits = limits;
  }

  admit(socket: Socket): void {
    const { remoteAddress: address = "", remotePort = 0 } = socket;
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#limits.perAddress || this.#waiting.size >= this.#limits.inAll) {
      socket.destroy();
      return;
    }
    const key = keyOf(address, remotePort);
    this.#waiting.set(key, address);
    this.#counts.set(address, count + 1);
    socket.once("close", () => this.#forget(key));
  }

  known(socket: TLSSocket): void {
    this.#forget(keyOf(socket.remoteAddress ?? "", socket.remotePort ?? 0));
  }

  #forget(key: string): void {
    const address = this.#waiting.get(key);
    if (address === undefined) return;
    this.#waiting.delete(key);
    const left = (this.#counts.get(address) ?? 1) - 1;
    if (left > 0) this.#counts.set(address, left);
    else this.#counts.delete(address);
  }
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`;
}
