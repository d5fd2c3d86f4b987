import type { CapsuleInfo, LifetimeEnd, UpdateOptions } from "@wrenn/sdk";
import { FieldError } from "#lib/api/problem.ts";
import { pairsOf } from "../launch-options.ts";

/** What of a capsule can be changed, as a form has it. */
export interface SettingsForm {
  name: string;
  idleMinutes: string;
  runMinutes: string;
  onLifetimeEnd: LifetimeEnd;
  autoResume: boolean;
  metadata: string;
}

const MINUTE_MS = 60_000;

export function settingsOf(capsule: CapsuleInfo): SettingsForm {
  const { name = "", idleTimeoutMs, maxLifetimeMs = 0, onLifetimeEnd, autoResume, metadata } = capsule;
  const minutes = (ms: number): string => (ms === 0 ? "" : String(ms / MINUTE_MS));
  return {
    name,
    idleMinutes: minutes(idleTimeoutMs),
    runMinutes: minutes(maxLifetimeMs),
    onLifetimeEnd,
    autoResume,
    metadata: Object.entries(metadata)
      .filter(([key]) => !isOfPlatform(key))
      .map((pair) => pair.join("="))
      .join(" "),
  };
}

/** The changes that lead from the capsule to the form. @throws FieldError which says what cannot be read. */
export function updateOf(capsule: CapsuleInfo, given: SettingsForm): UpdateOptions {
  const wanted = given.metadata.trim() === "" ? {} : pairsOf(given.metadata);
  const gone = Object.keys(capsule.metadata).filter((key) => !isOfPlatform(key) && !(key in wanted));
  return {
    name: given.name.trim() === "" ? null : given.name.trim(),
    idleTimeoutMs: msOf("timeout_sec", given.idleMinutes),
    maxLifetimeMs: msOf("max_lifetime_sec", given.runMinutes),
    onLifetimeEnd: given.onLifetimeEnd,
    autoResume: given.autoResume,
    metadata: { ...wanted, ...Object.fromEntries(gone.map((key) => [key, null])) },
  };
}

/** The server adds the versions of what runs a capsule to its pairs. */
function isOfPlatform(key: string): boolean {
  return ["kernel_version", "vmm", "vmm_version", "agent_version", "envd_version"].includes(key);
}

function msOf(field: string, minutes: string): number {
  const value = minutes.trim() === "" ? 0 : Number(minutes);
  if (!Number.isFinite(value) || value < 0)
    throw new FieldError(field, `'${minutes}' is not a number of minutes`);
  return Math.round(value * MINUTE_MS);
}
