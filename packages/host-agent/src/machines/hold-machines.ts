import { withDeadline } from "@wrenn/core";
import type { Hypervisor, Machine } from "@wrenn/vmm";
import { GuestClocks } from "./guest-clocks.ts";
import type { GuestClocksDeps } from "./guest-clocks.ts";
import type { HeldHypervisor, HeldMachine, LetRun } from "./held-machine.ts";
import { GUEST_ANSWER_MS, whileAlive } from "./running-machine.ts";

/** Holds the machines of a hypervisor, so that each of their guests gets a new clock when it runs again. */
export function holdMachines(
  hypervisor: Hypervisor,
  deps: GuestClocksDeps,
): { readonly hypervisor: HeldHypervisor; readonly letRun: LetRun; readonly clocks: GuestClocks } {
  const clocks = new GuestClocks(deps);
  const machines = new WeakMap<HeldMachine, Pick<Machine, "resume">>();
  const hold = (machine: Machine): HeldMachine => {
    machines.set(machine, machine);
    return machine;
  };
  return {
    clocks,
    hypervisor: {
      name: hypervisor.name,
      guestClock: hypervisor.guestClock,
      identity: (signal) => hypervisor.identity(signal),
      clear: (id, directory) => hypervisor.clear(id, directory),
      boot: async (...request) => hold(await hypervisor.boot(...request)),
      restore: async (...request) => hold(await hypervisor.restore(...request)),
      adopt: async (...request) => {
        const machine = await hypervisor.adopt(...request);
        return machine && hold(machine);
      },
    },
    letRun: async (machine, reach, signal) => {
      const cpus = machines.get(machine);
      if (!cpus) throw new Error(`machine ${machine.id} is not held here`);
      clocks.doubt(machine);
      await cpus.resume(signal);
      return await whileAlive(
        machine,
        withDeadline("the guest agent's first answer", GUEST_ANSWER_MS, signal, async (inner) => {
          const guest = await reach(inner);
          await clocks.renew(machine, guest, inner);
          return guest;
        }),
      );
    },
  };
}
