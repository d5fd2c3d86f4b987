import type { Probe } from "./probe.ts";

/** `warn`: capsules run, but slower or with less. `fail`: they do not run. */
export type CheckStatus = "ok" | "warn" | "fail";

/** What a check saw. */
export interface Finding {
  readonly status: CheckStatus;
  /** What is there, in a few words. */
  readonly found: string;
  /** What to do about it; empty when nothing need be done. */
  readonly remedy: string;
}

/** One question about the host. */
export interface Check {
  readonly id: string;
  readonly title: string;
  /** Why the platform cares. */
  readonly why: string;
  /** Looks. Anything thrown counts as a failed check. */
  inspect(probe: Probe, signal: AbortSignal): Promise<Finding>;
}

/** A check together with what it saw. */
export interface CheckResult extends Finding {
  readonly id: string;
  readonly title: string;
  readonly why: string;
}

export const ok = (found: string): Finding => ({ status: "ok", found, remedy: "" });
export const warn = (found: string, remedy: string): Finding => ({ status: "warn", found, remedy });
export const fail = (found: string, remedy: string): Finding => ({ status: "fail", found, remedy });

export const GIB = 2 ** 30;

/** Bytes for people, in GiB with one decimal. */
export function inGib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
