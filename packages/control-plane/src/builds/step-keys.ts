import { createHash } from "node:crypto";
import { sourcesOf } from "@wrenn/recipe";
import { stepKeys as keysOfSteps } from "@wrenn/recipe/keys";
import type { BuildJob } from "./template-builder.ts";

/** Changes with what a step does to a capsule. */
const VERSION = "3";

export type StepKeysOf = Pick<BuildJob, "team" | "vcpus" | "memoryMib" | "steps" | "sources">;

/**
 * The keys of a build's steps: each says everything that led to the state behind its step, so that two builds with the same key
 * would make the same. Times of files and of builds are no part of it, and values of secrets are not either.
 *
 * @param base - identity of what the build starts from.
 * @param archive - digest of an archive that the instructions name files of; empty without one.
 */
export function stepKeys(
  { team, vcpus, memoryMib, steps, sources }: StepKeysOf,
  base: string,
  archive: string,
): readonly string[] {
  const digests = new Map(
    steps.flatMap(({ step, action }) => {
      const needed = sourcesOf(action);
      if (needed === undefined) return [];
      const packed = sources?.get(step)?.digest;
      const named = needed.sources.map(({ pattern }) => pattern);
      return [[step, packed ?? digest([archive, ...named])] as const];
    }),
  );
  return keysOfSteps(
    { steps: steps.map(({ step, action, state }) => ({ number: step, action, state })) },
    { base: digest([VERSION, team, base, vcpus, memoryMib]), sources: digests },
  );
}

/** What says everything that led to a template: its last step, what holds for its capsules, and how it is found to be ready. */
export function resultKey(
  keys: readonly string[],
  base: string,
  { config, healthcheck }: ResultKeyOf,
): string {
  const { env, user, workdir, entrypoint, cmd, healthcheck: own } = config;
  const { stopSignal, exposedPorts, labels } = config;
  const programs = [Object.entries(env), user, workdir, entrypoint, cmd, own, healthcheck];
  const settings = [programs, stopSignal, exposedPorts, Object.entries(labels)];
  // A recipe of FROM alone has no steps.
  return digest([VERSION, base, keys.at(-1) ?? "", JSON.stringify(settings)]);
}

export type ResultKeyOf = Pick<BuildJob, "config" | "healthcheck">;

/** The digest of an archive's bytes; empty without one. */
export async function archiveDigest(archive: BuildJob["archive"]): Promise<string> {
  if (!archive) return "";
  const hash = createHash("sha256");
  for await (const piece of archive()) hash.update(piece);
  return hash.digest("hex");
}

function digest(parts: readonly (string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
