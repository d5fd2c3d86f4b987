import type { HostAgentOptions } from "@wrenn/host-agent";
import type { ServerConfig } from "./server-config.ts";

/** From this many cores on a second machine waits. */
const CORES_FOR_TWO = 4;

/**
 * How many machines wait for capsules. A number of the operator is kept whenever no request is under way; without one it follows the
 * size of the host, and machines are made only while a processor is idle.
 */
export function warmMachines(
  { warmMachines: count }: Pick<ServerConfig, "warmMachines">,
  cpuCores: number,
): Pick<HostAgentOptions, "warmMachines" | "warmWhenIdle"> {
  if (count !== undefined) return { warmMachines: count };
  return { warmMachines: cpuCores < CORES_FOR_TWO ? 1 : 2, warmWhenIdle: true };
}
