import type { HostFacts, TemplateManifest } from "@wrenn/protocol";
import { describeDifference } from "@wrenn/vmm";
import type { Hypervisor } from "@wrenn/vmm";
import { clockDifference } from "../templates/compatible-template.ts";

/** Why the memory of another host does not run here. */
export interface ForeignMemory {
  readonly text: string;
  /** Its disk does not run here either. */
  readonly isOfMachines: boolean;
}

/** What keeps the memory of a template of another host from running here; undefined when nothing does. */
export async function differenceTo(
  { architecture, hypervisor, clockKhz }: Pick<TemplateManifest, "architecture" | "hypervisor" | "clockKhz">,
  facts: Pick<HostFacts, "architecture">,
  here: Pick<Hypervisor, "identity" | "guestClock">,
  signal: AbortSignal,
): Promise<ForeignMemory | undefined> {
  if (architecture !== facts.architecture)
    return { text: `architecture: ${architecture}, here is ${facts.architecture}`, isOfMachines: true };
  const present = await here.identity(signal);
  if (hypervisor !== present) return { text: describeDifference(hypervisor, present), isOfMachines: false };
  const clock = clockDifference(clockKhz === undefined ? {} : { clockKhz }, here);
  return clock === undefined ? undefined : { text: clock, isOfMachines: false };
}
