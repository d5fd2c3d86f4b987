import type { HostAgentOptions } from "@wrenn/host-agent";
import type { ServerConfig } from "./server-config.ts";

/** A host keeps one for each of these, up to the limit. */
const MEMORY_MIB = 2048;
const MOST = 8;

/** How many machines of paused capsules are kept at most: the operator's number, or by the memory of the host. */
export function parkedMachines(
  { parkedMachines: count }: Pick<ServerConfig, "parkedMachines">,
  memoryMib: number,
): Pick<HostAgentOptions, "parkedMachines"> {
  return { parkedMachines: count ?? Math.min(MOST, Math.floor(memoryMib / MEMORY_MIB)) };
}
