import type { CapsuleFiles, CapsuleProcesses, CapsuleSpec, TemplateFacts } from "@wrenn/protocol";
import type { FoundTemplate } from "../templates/templates.ts";

/** What processes of a template's capsules start with, unless they name something else. */
export type TemplateDefaults = Required<Pick<CapsuleSpec, "envs" | "user">> & Pick<CapsuleSpec, "cwd">;

export interface BuildCapsuleRequest {
  /** Public id of the team that it belongs to. */
  readonly team: string;
  readonly base: FoundTemplate;
  /** How people call it. */
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** Public id of the build. */
  readonly build: string;
  /** What it starts from instead of the base: a moment of a build of this base. */
  readonly moment?: FoundMoment | undefined;
}

/** A moment of an earlier build on a host. */
export interface FoundMoment {
  /** UUID. */
  readonly hostId: string;
  readonly key: string;
  /** Of the key among those that were asked for. */
  readonly index: number;
}

/** A capsule that runs, and belongs to one build: it ends with its disposal. */
export interface BuildCapsule extends AsyncDisposable {
  /** UUID. */
  readonly id: string;
  /** UUID of its host. */
  readonly hostId: string;
  readonly diskMib: number;
  readonly processes: CapsuleProcesses;
  readonly files: CapsuleFiles;
  /** Keeps its present state for later builds, with its memory or its disk alone. */
  keep(moment: { readonly key: string; readonly memory: boolean }, signal: AbortSignal): Promise<void>;
  /** Boots it once more from its disk: nothing that was in its memory is left. */
  reboot(signal: AbortSignal): Promise<void>;
  /** The build knows of it: what ends the build ends it, also when this control plane is gone. */
  adopted(): void;
  /**
   * Stops the capsule for good, and makes a template of it under a key of the caller's.
   *
   * @param memory - whether its processes and their memory are part of the template; otherwise it is booted once from its disk.
   * @param ownPrograms - none of its programs is a user's: they may be run before the template is frozen.
   */
  freeze(
    hostKey: string,
    options: {
      readonly memory: boolean;
      readonly ownPrograms: boolean;
      readonly defaults: TemplateDefaults;
    },
    signal: AbortSignal,
  ): Promise<TemplateFacts>;
  /** What it wrote last to its console. */
  consoleEnd(signal: AbortSignal): Promise<string>;
}

/** Where capsules come from that builds run in; the composition of the control plane knows. */
export interface BuildCapsules {
  /**
   * Starts a capsule. One whose build does not adopt it is destroyed, also when this control plane ends.
   *
   * @throws WrennError for what keeps capsules from starting.
   */
  start(request: BuildCapsuleRequest, signal: AbortSignal): Promise<BuildCapsule>;
  /** Identities of a base, by the UUIDs of the hosts that capsules of it can be started on. */
  identities(request: Pick<BuildCapsuleRequest, "team" | "base">): Promise<ReadonlyMap<string, string>>;
  /** The last of these keys, in their order, whose moment a host has; nothing for a host that does not answer. */
  findMoment(hostId: string, keys: readonly string[], signal: AbortSignal): Promise<FoundMoment | undefined>;
  /** Removes moments from a host, as far as it has them. */
  forget(hostId: string, keys: readonly string[], signal: AbortSignal): Promise<void>;
  /** Destroys the capsule of a build that has ended; one that is gone is fine. */
  remove(teamId: string, capsuleId: string): Promise<void>;
}
