import type { Slot } from "@wrenn/network";

/** A boot takes about three seconds under emulation, and longer with a check of the disk; a busy machine may need many times that. */
export const BOOT_MS = 120_000;

/** What the guest agent reads from the kernel's command line: the disk, and the addresses, which are the same in every slot. */
export function guestCommandLine({ guestAddress, gateway }: Pick<Slot, "guestAddress" | "gateway">): string {
  return `wrenn.root=/dev/vda wrenn.ip=${guestAddress}/30 wrenn.gateway=${gateway} wrenn.dns=${gateway}`;
}
