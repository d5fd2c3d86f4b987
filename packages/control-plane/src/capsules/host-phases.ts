import { totalOf } from "@wrenn/core";
import type { CapsuleStatus, HostPhases } from "@wrenn/protocol";
import { currentPhases } from "../http/current-phases.ts";

/** Asks a host for an operation on a capsule; its phases become those of what is under way. */
export async function asHostCall(work: () => Promise<CapsuleStatus>): Promise<CapsuleStatus> {
  return (await asHostCalls(async () => [await work()]))[0] ?? missing();
}

/** The same for an operation that several capsules come from: they wait for the slowest of them. */
export async function asHostCalls(
  work: () => Promise<readonly CapsuleStatus[]>,
): Promise<readonly CapsuleStatus[]> {
  const phases = currentPhases();
  return phases ? await phases.measureRemote(work, slowest) : await work();
}

function slowest(statuses: readonly CapsuleStatus[]): HostPhases | undefined {
  let found: HostPhases | undefined;
  for (const { phases } of statuses) if (phases && totalOf(phases) >= totalOf(found ?? {})) found = phases;
  return found;
}

function missing(): never {
  throw new Error("the host has answered nothing");
}
