import { WrennError } from "@wrenn/core";
import { GUEST_ADDRESS, GUEST_GATEWAY, GUEST_MAC, MAX_SLOT, TAP_NAME } from "./slot.ts";
import type { Slot } from "./slot.ts";

/** What names and addresses of one installation's slots derive from. Two installations on a machine differ in both. */
export interface Instance {
  /** Four hex digits, part of every kernel name. */
  readonly id: string;
  /** Second octet of the instance's 10.x.0.0/16. */
  readonly block: number;
  /** The uid of slot n is `uidBase + n`; that of its page server is 65,536 higher. */
  readonly uidBase: number;
}

/** Users of page servers: above those of slots and of gateways, as far apart as those. */
const PAGE_SERVERS = 65_536;

/** @throws WrennError `invalid_field` when the id is not four lower-case hex digits. */
export function checkInstanceId(id: string): void {
  if (!/^[0-9a-f]{4}$/.test(id))
    throw new WrennError("invalid_field", { field: "instance", problem: "must be four hex digits" });
}

/** The slot with this number; pure arithmetic, whether or not it exists in the kernel. */
export function slotOf(instance: Instance, number: number): Slot {
  if (!Number.isInteger(number) || number < 1 || number > MAX_SLOT)
    throw new WrennError("invalid_field", { field: "slot", problem: `must be 1 to ${MAX_SLOT}` });
  return {
    number,
    namespace: `/run/netns/${namespaceName(instance.id, number)}`,
    tap: TAP_NAME,
    mac: GUEST_MAC,
    guestAddress: GUEST_ADDRESS,
    gateway: GUEST_GATEWAY,
    hostAddress: `10.${instance.block}.${number >> 8}.${number & 255}`,
    uid: instance.uidBase + number,
    pageServerUid: instance.uidBase + PAGE_SERVERS + number,
  };
}

export function namespaceName(id: string, number: number): string {
  return `wrenn-${id}-${number}`;
}

/** Host side of the veth pair; at most 13 of the kernel's 15 characters. */
export function linkName(id: string, number: number): string {
  return `wr-${id}-${number}`;
}

/** Matches every host-side link of the instance in nftables. */
export function linkPattern(id: string): string {
  return `wr-${id}-*`;
}

/** The unprivileged user of the instance's gateway process, above the users of its slots. */
export function gatewayUid(instance: Instance): number {
  return instance.uidBase + MAX_SLOT + 1 + instance.block;
}

/** The number of the slot whose host address this is, or undefined when it is none of the instance. */
export function slotNumberAt(instance: Instance, address: string): number | undefined {
  const [ten, block, high, low] = address.split(".").map(Number);
  if (ten !== 10 || block !== instance.block || high === undefined || low === undefined) return undefined;
  const number = high * 256 + low;
  return number >= 1 && number <= MAX_SLOT ? number : undefined;
}

/** The host's one address towards all slots of the instance; above the slots' half of the block. */
export function hostGateway(instance: Instance): string {
  return `10.${instance.block}.255.254`;
}

export function blockCidr(block: number): string {
  return `10.${block}.0.0/16`;
}

export function hostTable(id: string): string {
  return `wrenn_${id}`;
}

/** The slot number in a namespace or link name of this instance, or undefined when the name is someone else's. */
export function slotNumberIn(id: string, name: string): number | undefined {
  const digits = [`wrenn-${id}-`, `wr-${id}-`]
    .filter((prefix) => name.startsWith(prefix))
    .map((prefix) => name.slice(prefix.length))[0];
  if (digits === undefined || !/^[1-9]\d{0,4}$/.test(digits)) return undefined;
  const number = Number(digits);
  return number <= MAX_SLOT ? number : undefined;
}
