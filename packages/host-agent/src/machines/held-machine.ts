import type { GuestLink } from "@wrenn/guest";
import type { Hypervisor, Machine } from "@wrenn/vmm";

/**
 * A machine as operations on capsules have it: they may stop it, and let it run by {@link LetRun} only. For its guest the time
 * of a stop does not pass, so a machine that runs again without a new clock leaves its users behind the present.
 */
export type HeldMachine = Omit<Machine, "resume">;

/** A hypervisor whose machines are held. */
export interface HeldHypervisor extends Omit<Hypervisor, "boot" | "restore" | "adopt"> {
  boot(...request: Parameters<Hypervisor["boot"]>): Promise<HeldMachine>;
  restore(...request: Parameters<Hypervisor["restore"]>): Promise<HeldMachine>;
  adopt(...request: Parameters<Hypervisor["adopt"]>): Promise<HeldMachine | undefined>;
}

/**
 * Lets the virtual CPUs of a machine run, if they stand still, and sets the guest's clock to the host's before any process of a
 * user runs: they are frozen until the caller thaws them. `reach` yields the link to the guest. When the guest does not answer
 * in time the machine runs, and its clock is corrected later.
 *
 * @throws WrennError `machine_died`, `deadline_exceeded`.
 */
export type LetRun = (
  machine: HeldMachine,
  reach: (signal: AbortSignal) => Promise<GuestLink>,
  signal: AbortSignal,
) => Promise<GuestLink>;
