import { WrennError } from "@wrenn/core";
import { describeDifference, isSameFrequency } from "@wrenn/vmm";
import type { Hypervisor } from "@wrenn/vmm";
import type { FrozenTemplate } from "./frozen-template.ts";

/** @throws WrennError `snapshot_incompatible` naming what differs, when machines of this host cannot start from the template. */
export async function requireCompatible(
  template: Pick<FrozenTemplate, "hypervisor" | "clockKhz">,
  hypervisor: Pick<Hypervisor, "identity" | "guestClock">,
  signal: AbortSignal,
): Promise<void> {
  const present = await hypervisor.identity(signal);
  const { hypervisor: saved = present } = template;
  if (saved !== present)
    throw new WrennError("snapshot_incompatible", { difference: describeDifference(saved, present) });
  const difference = clockDifference(template, hypervisor);
  if (difference !== undefined) throw new WrennError("snapshot_incompatible", { difference });
}

/** Why time would pass at a wrong rate in machines of the template; undefined when it does not, or nothing is known of it. */
export function clockDifference(
  { clockKhz }: Pick<FrozenTemplate, "clockKhz">,
  { guestClock }: Pick<Hypervisor, "guestClock">,
): string | undefined {
  if (clockKhz === undefined || !guestClock || isSameFrequency(clockKhz, guestClock.khz)) return undefined;
  return `time stamp counter: it was booted with ${clockKhz} kHz, here are ${guestClock.khz} kHz`;
}
