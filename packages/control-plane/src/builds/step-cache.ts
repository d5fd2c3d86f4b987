import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { BuildCapsule, BuildCapsules, FoundMoment } from "./build-capsules.ts";
import { archiveDigest, resultKey, stepKeys } from "./step-keys.ts";
import type { PlannedStep } from "./recipe.ts";
import type { BuildJob } from "./template-builder.ts";

/** Steps at the end of a recipe whose memory is kept too: what is changed most often is the last line. */
const WITH_MEMORY = 2;
export interface StepCacheDeps {
  readonly capsules: Pick<BuildCapsules, "findMoment" | "forget" | "identities">;
  readonly logger: Logger;
}

/** The keys of a build's steps on the host that it runs on, and how many of its steps are done there already. */
export interface CachedSteps {
  readonly found: FoundMoment | undefined;
  /** By the UUID of a host; none for a host on which a build cannot be repeated. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** The key of the template that is made there, likewise. */
  readonly results: ReadonlyMap<string, string>;
}

/** States behind steps of earlier builds. A cache that fails makes a build slower, and nothing else. */
export class StepCache {
  readonly #deps: StepCacheDeps;

  constructor(deps: StepCacheDeps) {
    this.#deps = deps;
  }

  /** Finds the host that has most of a build's steps. */
  async find(job: BuildJob, signal: AbortSignal): Promise<CachedSteps> {
    const { capsules } = this.#deps;
    const identities = await capsules.identities(job);
    // Where the client says what is for which step, that is what counts.
    const archive = job.sources === undefined ? await archiveDigest(job.archive) : "";
    const keys = new Map([...identities].map(([hostId, base]) => [hostId, stepKeys(job, base, archive)]));
    const found = await Promise.all(
      [...keys].map(async ([hostId, all]) => {
        const usable = all.slice(0, job.repeatFrom === undefined ? all.length : job.repeatFrom - 1);
        try {
          const again = all.filter((key) => !usable.includes(key));
          if (again.length > 0 && job.repeatFrom !== undefined) await capsules.forget(hostId, again, signal);
          return usable.length === 0 ? undefined : await capsules.findMoment(hostId, usable, signal);
        } catch (error) {
          this.#note("build.cache_unread", job, error, signal);
          return undefined;
        }
      }),
    );
    const [best] = found.filter((one) => one !== undefined).sort((a, b) => b.index - a.index);
    const results = new Map(
      [...keys].map(([hostId, all]) => [hostId, resultKey(all, identities.get(hostId) ?? "", job)]),
    );
    return { found: best, keys, results };
  }

  /** Keeps the state behind a step, unless the step has changed nothing. */
  async keep(
    job: BuildJob,
    capsule: Pick<BuildCapsule, "hostId" | "keep">,
    step: PlannedStep,
    { keys }: CachedSteps,
    signal: AbortSignal,
  ): Promise<void> {
    const key = keys.get(capsule.hostId)?.[step.step - 1];
    if (key === undefined || !isKept(step)) return;
    const hasBegun = job.steps.some((one) => one.step < step.step && one.action.type === "start");
    // What START has begun lives in memory alone, and no memory is kept of a build with secrets.
    if (hasBegun && job.secrets.size > 0) return;
    try {
      await capsule.keep({ key, memory: hasBegun || keepsMemory(job, step) }, signal);
    } catch (error) {
      this.#note("build.step_not_kept", job, error, signal);
    }
  }

  #note(event: string, { id }: BuildJob, error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#deps.logger.warn(event, { build: id, problem: problemOf(error) });
  }
}

function keepsMemory({ steps, secrets }: BuildJob, { step, phase }: PlannedStep): boolean {
  const later = steps.filter((one) => one.phase === "recipe" && one.step > step && isKept(one)).length;
  return secrets.size === 0 && phase === "recipe" && later < WITH_MEMORY;
}

/** Whether a step changes something in a capsule that can be kept. */
function isKept({ action }: PlannedStep): boolean {
  return action.type !== "config" && action.type !== "start";
}
