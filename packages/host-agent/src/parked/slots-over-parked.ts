import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { Slots } from "../machines/machines.ts";
import type { ParkedMachines } from "./parked-machines.ts";

/** A slot is free within this time after its machine has ended. */
const RELEASE_MS = 10_000;
const POLL_MS = 50;

/** Slots of which parked machines have none that another machine needs: when there is no free one, the oldest of them ends. */
export function slotsOverParked(
  slots: Slots,
  parked: () => Pick<ParkedMachines, "endOldest">,
  clock: Pick<Clock, "monotonic" | "sleep">,
): Slots {
  const acquire: Slots["acquire"] = async (signal) => {
    let until: number | undefined;
    for (;;) {
      try {
        return await slots.acquire(signal);
      } catch (error) {
        if (!WrennError.is(error, "host_full")) throw error;
        if (until === undefined) {
          if (!(await parked().endOldest())) throw error;
          until = clock.monotonic() + RELEASE_MS;
        }
        if (clock.monotonic() >= until) throw error;
        await clock.sleep(POLL_MS, signal);
      }
    }
  };
  return { ...slots, acquire };
}
