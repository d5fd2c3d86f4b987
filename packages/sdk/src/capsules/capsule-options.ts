import { invalidOption, present, requireKnownOptions, secondsOf } from "../transport/options.ts";
import type { CallOptions } from "../transport/call-options.ts";
import { pageOptionNames } from "../transport/pages.ts";
import type { PageOptions } from "../transport/pages.ts";
import type { QueryValue } from "../transport/http.ts";
import type { WireBody } from "../wire/api-types.ts";
import type { CapsuleStatus, CreateProgress, LifetimeEnd } from "./capsule-info.ts";
import { requireNetworkPolicy } from "./network.ts";
import type { NetworkPolicy } from "./network.ts";

/** Settings that a capsule is created with and that can be changed later. */
interface Settings {
  /** Idle milliseconds after which it is paused, in whole seconds, up to 30 days. Default: 0, never. */
  readonly idleTimeoutMs?: number | undefined;
  /** Milliseconds after which a run ends, from its creation and from each resume, up to 30 days. Default: 0, without limit. */
  readonly maxLifetimeMs?: number | undefined;
  /** What happens then. Default: `pause`. */
  readonly onLifetimeEnd?: LifetimeEnd | undefined;
  /** Whether its use resumes it when it is paused. Default: false. */
  readonly autoResume?: boolean | undefined;
  /** What it may reach. Default: the policy of its template, for built-in ones the internet. */
  readonly network?: NetworkPolicy | undefined;
}

/** What a new capsule is. */
export interface CreateOptions extends Settings, CallOptions {
  /** `name`, `name:tag`, or `team/name:tag` of a public template. Default: `minimal`. */
  readonly template?: string | undefined;
  /** 1 to 64 letters, digits, dots, underscores and hyphens; unique in the team while the capsule exists. Default: none. */
  readonly name?: string | undefined;
  /** Virtual CPUs, 1 to 64. Default: 1, or those of the template. */
  readonly vcpus?: number | undefined;
  /** MiB of memory, 128 to 65,536. Default: 512, or that of the template. */
  readonly memoryMib?: number | undefined;
  /** MiB of disk, up to 102,400. Default: that of the template. */
  readonly diskMib?: number | undefined;
  /** Default environment of its commands and terminals. */
  readonly envs?: Readonly<Record<string, string>> | undefined;
  /** User of commands that name none. Default: root, or that of the template. */
  readonly user?: string | undefined;
  /** Directory of commands that name none. Default: the home of the user, or that of the template. */
  readonly cwd?: string | undefined;
  /** What the capsule is for: at most 64 pairs. Lists can be filtered by them. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Called again and again while the capsule waits for its template. */
  readonly onProgress?: ((progress: CreateProgress) => void) | undefined;
}

const settingNames = ["idleTimeoutMs", "maxLifetimeMs", "onLifetimeEnd", "autoResume", "network"] as const;

export const createOptionNames = [
  ...settingNames,
  "signal",
  "template",
  "name",
  "vcpus",
  "memoryMib",
  "diskMib",
  "envs",
  "user",
  "cwd",
  "metadata",
  "onProgress",
] as const satisfies readonly (keyof CreateOptions)[];

/** Changes of a capsule: what is not named stays. */
export interface UpdateOptions extends Settings, CallOptions {
  /** `null` removes the name. */
  readonly name?: string | null | undefined;
  /** Pairs to add or replace; `null` as a value removes a pair, and `null` as a whole removes all. */
  readonly metadata?: Readonly<Record<string, string | null>> | null | undefined;
}

/** Which capsules of the team are listed: those that match every filter. */
export interface ListOptions extends PageOptions {
  readonly status?: CapsuleStatus | readonly CapsuleStatus[] | undefined;
  readonly name?: string | undefined;
  readonly template?: string | undefined;
  /** Pairs that the capsule has. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Exclusive. */
  readonly createdAfter?: Date | undefined;
  /** Exclusive. */
  readonly createdBefore?: Date | undefined;
  /** By creation. Default: `desc`, the newest first. */
  readonly order?: "asc" | "desc" | undefined;
}

export const listOptionNames = [
  ...pageOptionNames,
  "status",
  "name",
  "template",
  "metadata",
  "createdAfter",
  "createdBefore",
  "order",
] as const satisfies readonly (keyof ListOptions)[];

/** When the present run of a capsule ends: one of the two, in whole seconds, up to 30 days away. */
export interface ExtendOptions extends CallOptions {
  /** Milliseconds from now. */
  readonly fromNowMs?: number | undefined;
  /** Milliseconds later than it ends now. */
  readonly byMs?: number | undefined;
}

/** @throws WrennError `invalid_option`, `unknown_option` of the network policy. */
export function createBody(call: string, options: CreateOptions): WireBody<"POST /v1/capsules"> {
  const { template, name, vcpus, envs, user, cwd, metadata } = options;
  return {
    ...settingsBody(call, options),
    ...present({ template, name, vcpus, envs, user, cwd, metadata }),
    ...present({ memory_mb: options.memoryMib, disk_mb: options.diskMib }),
  };
}

/** @throws WrennError `unknown_option`, `invalid_option`. */
export function updateBody(call: string, options: UpdateOptions): WireBody<"PATCH /v1/capsules/{id}"> {
  requireKnownOptions(call, options, [...settingNames, "signal", "name", "metadata"]);
  const { name, metadata } = options;
  return { ...settingsBody(call, options), ...present({ name, metadata }) };
}

/** @throws WrennError `unknown_option`, `invalid_option` unless exactly one is given. */
export function extendBody(call: string, options: ExtendOptions): WireBody<"POST /v1/capsules/{id}/extend"> {
  requireKnownOptions(call, options, ["fromNowMs", "byMs", "signal"]);
  const { fromNowMs, byMs } = options;
  if ((fromNowMs === undefined) === (byMs === undefined))
    throw invalidOption(call, "fromNowMs", "or byMs must be given, and not both");
  return fromNowMs === undefined
    ? { by_sec: secondsOf(call, "byMs", byMs ?? 0) }
    : { from_now_sec: secondsOf(call, "fromNowMs", fromNowMs) };
}

export function listQuery(options: ListOptions): Readonly<Record<string, QueryValue>> {
  const { status, name, template, metadata, createdAfter, createdBefore, order } = options;
  return {
    status,
    name,
    template,
    metadata: metadata && Object.entries(metadata).map(([key, value]) => `${key}=${value}`),
    created_after: createdAfter?.toISOString(),
    created_before: createdBefore?.toISOString(),
    order,
  };
}

function settingsBody(call: string, { onLifetimeEnd, autoResume, network, ...options }: Settings) {
  const secondsIn = (option: "idleTimeoutMs" | "maxLifetimeMs"): number | undefined =>
    options[option] === undefined ? undefined : secondsOf(call, option, options[option]);
  if (network !== undefined) requireNetworkPolicy(call, network);
  return present({
    timeout_sec: secondsIn("idleTimeoutMs"),
    max_lifetime_sec: secondsIn("maxLifetimeMs"),
    on_lifetime_end: onLifetimeEnd,
    auto_resume: autoResume,
    network,
  });
}
