/** A network place for one machine: a namespace with a TAP device, reachable from the host at one address. */
export interface Slot {
  /** 1…32767; unique in its instance, kept over restarts. */
  readonly number: number;
  /** Path of the namespace, e.g. /run/netns/wrenn-1a2b-7. */
  readonly namespace: string;
  readonly tap: string;
  /** The guest's MAC address: the same in every slot, so that a clone needs no re-addressing. */
  readonly mac: string;
  /** The guest's own address (a /30): the same in every slot. */
  readonly guestAddress: string;
  /** The guest's default gateway: the same in every slot. */
  readonly gateway: string;
  /** Where the host reaches every port of the guest. */
  readonly hostAddress: string;
  /** Unprivileged user that owns the TAP device; its machine runs as this user. */
  readonly uid: number;
  /** Unprivileged user of the page server of the slot's machine; no machine has it. */
  readonly pageServerUid: number;
}

export const GUEST_ADDRESS = "169.254.0.21";
export const GUEST_GATEWAY = "169.254.0.22";
/** Locally administered and fixed (docs/reference/hosts.md#network). */
export const GUEST_MAC = "02:fc:00:00:00:05";
/** Of the gateway: the same in every slot too, since a restored guest goes on sending to the one that it has learnt. */
export const GATEWAY_MAC = "02:fc:00:00:00:06";
export const TAP_NAME = "tap0";
export const MAX_SLOT = 32_767;
/** Where the gateway's resolver listens, at the instance's host address; guests ask port 53 of their own gateway. */
export const RESOLVER_PORT = 15_353;
/** Where the gateway reads server names of TLS connections. */
export const SERVER_NAME_PORT = 15_443;
/** Where the gateway tells a guest which sandbox it is; guests ask port 80 of their own gateway. */
export const EVENTS_PORT = 15_080;
