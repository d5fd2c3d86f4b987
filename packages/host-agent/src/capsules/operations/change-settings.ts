import { defined, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { parsePolicy } from "@wrenn/network";
import type { CapsuleSpec, SettingsChange } from "@wrenn/protocol";
import type { Machines } from "../../machines/machines.ts";
import type { ParkedMachines } from "../../parked/parked-machines.ts";
import type { Capsule } from "../capsule.ts";
import { startOfRun } from "../capsule-record.ts";
import type { CapsuleRecord } from "../capsule-record.ts";

export interface ChangeSettingsDeps {
  readonly clock: Pick<Clock, "now">;
  readonly machines: Pick<Machines<"applyPolicy">, "slots">;
  readonly parked: Pick<ParkedMachines, "end">;
}

/**
 * Changes settings of a running or paused capsule. The record is written once, behind the network policy, the only part that can
 * be refused by the host: nothing is changed when that fails, or when the call was aborted before.
 *
 * @throws WrennError `invalid_field`, `capsule_not_running`.
 */
export async function changeSettings(
  capsule: Capsule,
  change: SettingsChange,
  { clock, machines, parked }: ChangeSettingsDeps,
  signal: AbortSignal,
): Promise<void> {
  const { network, remainingSec } = change;
  // Also while there is no slot that would: what is stored here is applied by the next start.
  if (network) parsePolicy(network);
  if (typeof remainingSec === "number" && capsule.state !== "running")
    throw new WrennError("capsule_not_running", { status: capsule.publicState() });
  const { running, record } = capsule;
  if (network && running) await machines.slots.applyPolicy(running.slot, network, signal);
  // Its slot has the policy of before.
  if (network) await parked.end(capsule.id);
  const { runEnd: _before, ...others } = record;
  const kept = remainingSec === undefined ? record : others;
  await capsule.replace({
    ...kept,
    spec: changed(capsule.spec, change),
    ...(typeof remainingSec === "number" ? { runEnd: endAfter(record, remainingSec, clock.now()) } : {}),
  });
}

function changed(spec: CapsuleSpec, change: SettingsChange): CapsuleSpec {
  const { timeoutSec, maxLifetimeSec, onLifetimeEnd, network, defaults } = change;
  const { user: _user, cwd: _cwd, ...others } = spec;
  return {
    ...(defaults ? { ...others, ...defaults } : spec),
    ...defined({ timeoutSec, maxLifetimeSec, onLifetimeEnd, network }),
  };
}

function endAfter(record: CapsuleRecord, seconds: number, now: number): NonNullable<CapsuleRecord["runEnd"]> {
  return { since: startOfRun(record), at: now + seconds * 1000 };
}
