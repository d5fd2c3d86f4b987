import type { RunMount } from "../instructions/instruction.ts";
import type { RecipeStep, StepAction } from "../plan/recipe-step.ts";
import { canonicalDigest } from "./canonical-digest.ts";
import type { CanonicalValue } from "./canonical-digest.ts";

/** Changes when what a step makes, or what is counted in its key, changes in another way than the step itself shows. */
const VERSION = "wrenn-step-1";

/** What of a step is in its key. */
export type KeyedStep = Pick<RecipeStep, "number" | "action" | "state">;

export interface KeyInputs {
  /** Digest of the template that the build starts from. */
  readonly base: string;
  /** Digests of the sources of each step that copies or mounts some, by the number of the step (`digestSources` of `@wrenn/recipe/context`). */
  readonly sources: ReadonlyMap<number, string>;
}

/**
 * The cache key of each step: the same key, the same content of the disk after the step. It comes from what the step does, the variables
 * and settings that it uses, the contents of its sources, and the key of the step before. An argument counts from the first step on that
 * uses it; one of RUN uses all that are declared. Values of secrets are no part of it.
 *
 * A step that changes settings only has the key of the step before: it leaves the disk as it is.
 *
 * @returns keys in the order of the steps, as hexadecimal digits.
 */
export function stepKeys(
  plan: { readonly steps: readonly KeyedStep[] },
  { base, sources }: KeyInputs,
): readonly string[] {
  let key = canonicalDigest([VERSION, "base", base]);
  return plan.steps.map((step) => {
    const material = materialOf(step, sources);
    if (material !== undefined) key = canonicalDigest([VERSION, key, material]);
    return key;
  });
}

function materialOf(step: KeyedStep, sources: ReadonlyMap<number, string>): CanonicalValue {
  const { action, state } = step;
  switch (action.type) {
    case "config":
      return undefined;
    case "run":
    case "start":
      return { ...processMaterial(action, sources.get(step.number)), ...state };
    case "directory":
      return { type: "directory", path: action.path, owner: action.owner };
    case "user":
      return { type: "user", name: action.name };
    case "copy": {
      const digest = sources.get(step.number);
      if (digest === undefined && action.sources.length > 0)
        throw new Error(`no digest of the sources of step ${step.number}`);
      const { files, target, targetIsDirectory, owner, mode, unpack } = action;
      return {
        type: "copy",
        digest,
        files: files.map(({ name, content }) => ({ name, content })),
        target,
        targetIsDirectory,
        owner,
        mode,
        unpack,
      };
    }
  }
}

/** How long a step may take is no part of what it makes. */
function processMaterial(
  action: Extract<StepAction, { type: "run" | "start" }>,
  digest: string | undefined,
): Readonly<Record<string, CanonicalValue>> {
  const program: Readonly<Record<string, CanonicalValue>> = { ...action.program };
  return {
    type: action.type,
    program,
    mounts: action.type === "run" ? action.mounts.map((mount) => mountMaterial(mount, digest)) : [],
  };
}

/** What a bind mount has counts, not what it is called in the context. */
function mountMaterial(mount: RunMount, digest: string | undefined): CanonicalValue {
  if (mount.type !== "bind") return { ...mount };
  if (digest === undefined) throw new Error(`no digest of what is mounted at ${mount.target}`);
  return { type: "bind", digest, target: mount.target };
}
