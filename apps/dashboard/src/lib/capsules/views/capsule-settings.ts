import type { CapsuleInfo, LifetimeEnd, UpdateOptions } from "@wrenn/sdk";
import { FieldError } from "#lib/api/problem.ts";
import { metadataOf } from "../launch-options.ts";
import { ownPairs } from "../metadata-pairs.ts";

/** What of a capsule can be changed, as a form has it. */
export interface SettingsForm {
  name: string;
  idleMinutes: string;
  runMinutes: string;
  onLifetimeEnd: LifetimeEnd;
  autoResume: boolean;
  /** `key=value`, one a line. */
  metadata: string;
}

const MINUTE_MS = 60_000;

export function settingsOf(capsule: CapsuleInfo): SettingsForm {
  const { name = "", idleTimeoutMs, maxLifetimeMs = 0, onLifetimeEnd, autoResume } = capsule;
  const minutes = (ms: number): string => (ms === 0 ? "" : String(ms / MINUTE_MS));
  return {
    name,
    idleMinutes: minutes(idleTimeoutMs),
    runMinutes: minutes(maxLifetimeMs),
    onLifetimeEnd,
    autoResume,
    metadata: ownPairs(capsule).join("\n"),
  };
}

/**
 * What a person has changed, and nothing else: what others changed meanwhile stays.
 *
 * @param before - the form as it was filled in for them.
 * @throws FieldError which says what cannot be read.
 */
export function updateOf(before: SettingsForm, given: SettingsForm): UpdateOptions {
  const isChanged = (field: keyof SettingsForm): boolean => before[field] !== given[field];
  return {
    ...(isChanged("name") ? { name: given.name.trim() === "" ? null : given.name.trim() } : {}),
    ...(isChanged("idleMinutes") ? { idleTimeoutMs: msOf("timeout_sec", given.idleMinutes) } : {}),
    ...(isChanged("runMinutes") ? { maxLifetimeMs: msOf("max_lifetime_sec", given.runMinutes) } : {}),
    ...(isChanged("onLifetimeEnd") ? { onLifetimeEnd: given.onLifetimeEnd } : {}),
    ...(isChanged("autoResume") ? { autoResume: given.autoResume } : {}),
    ...(isChanged("metadata") ? { metadata: changedPairs(before.metadata, given.metadata) } : {}),
  };
}

/** Pairs that are new or have another value, and null for those that are gone. */
function changedPairs(before: string, given: string): Readonly<Record<string, string | null>> {
  const [old, wanted] = [metadataOf(before), metadataOf(given)];
  const changed = Object.entries(wanted).filter(([key, value]) => old[key] !== value);
  const gone = Object.keys(old).filter((key) => !(key in wanted));
  return Object.fromEntries([...changed, ...gone.map((key) => [key, null] as const)]);
}

function msOf(field: string, minutes: string): number {
  const value = minutes.trim() === "" ? 0 : Number(minutes);
  if (!Number.isFinite(value) || value < 0)
    throw new FieldError(field, `'${minutes}' is not a number of minutes`);
  return Math.round(value * MINUTE_MS);
}
