import { createHash } from "node:crypto";
import type { BuildJob } from "./template-builder.ts";

/** Changes with what a step does to a capsule. */
const VERSION = "1";

export type StepKeysOf = Pick<BuildJob, "team" | "vcpus" | "memoryMib" | "steps">;

/**
 * The keys of a build's steps: each says everything that led to the state behind its step, so that two builds with the same key
 * would make the same. Times of files and of builds are no part of it.
 *
 * @param base - identity of what the build starts from.
 * @param archive - digest of the files that the build copies from; empty without one.
 */
export function stepKeys(
  { team, vcpus, memoryMib, steps }: StepKeysOf,
  base: string,
  archive: string,
): readonly string[] {
  let key = digest([VERSION, team, base, vcpus, memoryMib]);
  return steps.map(
    ({ phase, cmd }) => (key = digest([key, phase, cmd, cmd.startsWith("COPY ") ? archive : ""])),
  );
}

/** What says everything that led to a template: its last step, and how it is found to be ready. */
export function resultKey(keys: readonly string[], healthcheck: string): string {
  return digest([VERSION, keys.at(-1) ?? "", healthcheck]);
}

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
