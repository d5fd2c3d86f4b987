import { defined, formatId, parseId, WrennError } from "@wrenn/core";
import type {
  BuildCapsule,
  BuildCapsuleRequest,
  BuildCapsules,
  FoundMoment,
} from "./builds/build-capsules.ts";
import type { CapsuleCreation } from "./capsules/capsule-creation.ts";
import type { CapsuleLifecycle } from "./capsules/capsule-lifecycle.ts";
import type { CapsuleRows } from "./capsules/capsule-rows.ts";
import type { UnansweredCreates } from "./capsules/unanswered-creates.ts";
import type { Fleet } from "./hosts/fleet.ts";
import type { WaitingClient } from "./http/waiting-client.ts";

/** Longer than any build: a capsule that everybody has forgotten ends by itself. */
const MOST_SEC = 2 * 3600;

/** For a host to say what it has kept; a build does not wait longer to be quicker. */
const FIND_MS = 3000;

export interface CapsulesForBuildsDeps {
  readonly creation: CapsuleCreation;
  readonly lifecycle: CapsuleLifecycle;
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly unanswered: Pick<UnansweredCreates, "markWaiting">;
}

/**
 * Capsules that builds run in: capsules of their teams like others, with the build in their metadata. Until its build has adopted it,
 * a capsule is one whose client waits for the answer, so that it ends with this control plane.
 */
export class CapsulesForBuilds implements BuildCapsules {
  readonly #deps: CapsulesForBuildsDeps;

  constructor(deps: CapsulesForBuildsDeps) {
    this.#deps = deps;
  }

  async start(request: BuildCapsuleRequest, signal: AbortSignal): Promise<BuildCapsule> {
    const { creation, fleet, lifecycle, unanswered } = this.#deps;
    const { vcpus, memoryMib, build, template, moment } = request;
    const base = moment ? { ...request.base, hostId: moment.hostId } : request.base;
    const teamId = parseId("team", request.team);
    signal.throwIfAborted();
    const gone = new AbortController();
    const end = Promise.withResolvers<"answered" | "left">();
    const leave = (): void => {
      gone.abort(new WrennError("client_left", {}));
      end.resolve("left");
    };
    signal.addEventListener("abort", leave, { once: true });
    const adopted = (): void => {
      signal.removeEventListener("abort", leave);
      end.resolve("answered");
    };
    const client: WaitingClient = {
      left: gone.signal,
      outcome: end.promise,
      // It takes no answer before the capsule runs.
      waitedMs: () => -MOST_SEC * 1000,
      requirePresent: async () => gone.signal.throwIfAborted(),
    };
    try {
      const row = await creation.create(
        teamId,
        {
          template,
          vcpus,
          memoryMib,
          timeoutSec: 0,
          maxLifetimeSec: MOST_SEC,
          onLifetimeEnd: "destroy",
          autoResume: false,
          metadata: { build },
        },
        { client, found: base, ...defined({ moment: moment?.key }), requireEgress: () => {} },
      );
      await unanswered.markWaiting(row.id);
      const id = formatId("capsule", row.id);
      const { host_id: hostId } = row;
      if (hostId === null) throw new Error(`capsule ${row.id} has no host`);
      return {
        id: row.id,
        hostId,
        diskMib: row.disk_mb,
        get processes() {
          return fleet.of(row).processes(id);
        },
        get files() {
          return fleet.of(row).files(id);
        },
        adopted,
        keep: async (kept, inner) => await fleet.of(row).cacheMoment(id, kept, inner),
        reboot: async (inner) => {
          inner.throwIfAborted();
          await lifecycle.pause(teamId, id, { memory: false });
          await lifecycle.resume(teamId, id, { memory: false });
        },
        freeze: async (key, { memory, ownPrograms, defaults }, inner) => {
          await lifecycle.pause(teamId, id, { memory });
          const host = fleet.of(row);
          await host.changeSettings(id, { defaults }, inner);
          return await host.createSnapshot(id, { key, ownPrograms }, inner);
        },
        consoleEnd: async (inner) => {
          const { pieces } = await fleet.of(row).consoleLog(id, 0, inner);
          return new TextDecoder().decode(Buffer.concat(pieces.map(({ bytes }) => bytes)));
        },
        [Symbol.asyncDispose]: async () => {
          await lifecycle.destroy(teamId, id);
          adopted();
        },
      };
    } catch (error) {
      leave();
      signal.throwIfAborted();
      throw error;
    }
  }

  async identities({
    team,
    base,
  }: Pick<BuildCapsuleRequest, "team" | "base">): Promise<ReadonlyMap<string, string>> {
    const { fleet } = this.#deps;
    if (base.hostId !== undefined) return new Map([[base.hostId, base.hostKey]]);
    const found = new Map<string, string>();
    for (const [hostId, facts] of await fleet.templatesByHost(parseId("team", team))) {
      const identity = facts.find(({ name }) => name === base.hostKey)?.identity;
      if (identity !== undefined) found.set(hostId, identity);
    }
    return found;
  }

  async findMoment(
    hostId: string,
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<FoundMoment | undefined> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(FIND_MS)]);
    const held = new Set(await this.#deps.fleet.agent(hostId).cachedMoments(keys, limit));
    const index = keys.findLastIndex((key) => held.has(key));
    return index === -1 ? undefined : { hostId, key: keys[index] ?? "", index };
  }

  async forget(hostId: string, keys: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#deps.fleet.agent(hostId).dropMoments(keys, signal);
  }

  async remove(teamId: string, capsuleId: string): Promise<void> {
    await this.#deps.lifecycle.destroy(teamId, formatId("capsule", capsuleId));
  }
}
