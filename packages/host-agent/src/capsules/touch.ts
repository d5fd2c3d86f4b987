import type { HostAgentDependencies } from "../host-agent-deps.ts";
import type { Capsule } from "./capsule.ts";

/** The capsule is in use. */
export function touch(capsule: Capsule, { clock }: Pick<HostAgentDependencies, "clock">): void {
  capsule.lastActiveAt = clock.now();
}
