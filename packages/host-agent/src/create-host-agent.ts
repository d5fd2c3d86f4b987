import { KeyedQueue, problemOf, WrennError } from "@wrenn/core";
import type {
  CapsuleFiles,
  CapsuleProcesses,
  CapsuleSpec,
  CapsuleStatus,
  HostAgent,
  HostFacts,
} from "@wrenn/protocol";
import { Capsule } from "./capsules/capsule.ts";
import { CapsuleDirectory } from "./capsules/capsule-directory.ts";
import { startCapsule } from "./capsules/create-capsule.ts";
import { removeLeftCapsules } from "./capsules/remove-left-capsules.ts";
import { releaseCapsule } from "./capsules/destroy-capsule.ts";
import type { HostAgentDependencies } from "./dependencies.ts";

/** A host agent that can be shut down. */
export interface RunningHostAgent extends HostAgent {
  /** Ends the machines of an earlier process that crashed, and removes what it left. Call it once, before anything else. */
  recover(signal: AbortSignal): Promise<void>;
  /** Ends every capsule and waits until nothing of them is left. */
  close(): Promise<void>;
}

/**
 * Composes the host agent: the one owner of the capsules of this host. Foreground verbs are serialised per capsule.
 */
export function createHostAgent(deps: HostAgentDependencies): RunningHostAgent {
  const capsules = new Map<string, Capsule>();
  const queue = new KeyedQueue();
  const observers = new Set<(status: CapsuleStatus) => void>();
  const closing = new AbortController();

  const announce = (status: CapsuleStatus): void => {
    deps.logger.info("capsule.state", { capsule: status.id, state: status.state });
    for (const observer of observers) observer(status);
  };

  const require = (id: string): Capsule => {
    const capsule = capsules.get(id);
    if (!capsule) throw new WrennError("capsule_not_found", {});
    return capsule;
  };

  const create = async (spec: CapsuleSpec, signal: AbortSignal): Promise<CapsuleStatus> => {
    if (capsules.has(spec.id)) throw new WrennError("capsule_busy", { operation: "create" });
    const template = await deps.templates.frozen(spec.template, spec, signal);
    const directory = new CapsuleDirectory(deps.capsulesDirectory, spec.id);
    const capsule = new Capsule(spec, directory, deps.clock.now(), announce);
    capsules.set(spec.id, capsule);
    try {
      const parts = await startCapsule(capsule, template, deps, signal);
      Object.assign(capsule.metadata, template.metadata);
      capsule.enter("running", parts);
      watchForDeath(capsule);
      return capsule.status();
    } catch (error) {
      capsules.delete(spec.id);
      capsule.fail(problemOf(error));
      throw error;
    }
  };

  /** A machine that dies on its own leaves a failed capsule that holds nothing but its console log. */
  const watchForDeath = (capsule: Capsule): void => {
    const parts = capsule.parts;
    if (!parts) return;
    void parts.machine.death.then((death) =>
      queue
        .run(capsule.id, async () => {
          if (capsule.parts !== parts || capsule.state === "destroying") return;
          deps.logger.error("capsule.machine_died", { capsule: capsule.id, problem: death.detail });
          capsule.fail(`the capsule's machine died: ${death.detail}`);
          await parts.guest.detach();
          await parts.machine.destroy();
          await deps.slots.release(parts.slot);
        })
        .catch((error: unknown) =>
          deps.logger.error("capsule.release_failed", { capsule: capsule.id, problem: problemOf(error) }),
        ),
    );
  };

  const destroy = async (id: string): Promise<void> => {
    const capsule = capsules.get(id);
    if (!capsule) return;
    const { parts } = capsule;
    capsule.enter("destroying", parts);
    await releaseCapsule(capsule, parts, deps);
    capsules.delete(id);
    capsule.enter("gone");
  };

  return {
    facts: async (): Promise<HostFacts> => deps.facts,
    createCapsule: async (spec, signal) =>
      await queue.run(spec.id, () => create(spec, AbortSignal.any([signal, closing.signal]))),
    destroyCapsule: async (id) => await queue.run(id, () => destroy(id)),
    capsule: async (id) => require(id).status(),
    listCapsules: async () => [...capsules.values()].map((capsule) => capsule.status()),
    processes: (id): CapsuleProcesses => require(id).running().guest.processes,
    files: (id): CapsuleFiles => require(id).running().guest.files,
    listTemplates: () => deps.templates.list(),
    onChange: (observer) => {
      observers.add(observer);
      return () => observers.delete(observer);
    },
    close: async () => {
      closing.abort(new WrennError("host_unavailable", {}));
      const ends = await Promise.allSettled(
        [...capsules.keys()].map((id) => queue.run(id, () => destroy(id))),
      );
      await queue.drain();
      await deps.closeSlots();
      for (const end of ends) if (end.status === "rejected") throw end.reason;
    },
    recover: (signal) => removeLeftCapsules(deps, signal),
  };
}
