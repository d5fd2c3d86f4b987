import { WrennError } from "@wrenn/core";
import { sourcesOf } from "@wrenn/recipe";
import type { RunMount } from "@wrenn/recipe";
import type { BuildPlan, PlannedStep } from "./recipe.ts";

/** The files of one step that copies, as a client has packed them: a directory of the archive, named by the step's number. */
export interface PackedSource {
  /** Of their names, bytes and modes: 64 hexadecimal digits. */
  readonly digest: string;
  /** There is one file, and the target is its new name unless it is a directory already. */
  readonly single: boolean;
  /** Paths of the archives that the step unpacks. */
  readonly archives: readonly string[];
}

/** What a request brings for the steps of its recipe. */
export interface BroughtAlong {
  readonly hasArchive: boolean;
  /** By the numbers of steps; undefined for an archive that the instructions name files of. */
  readonly sources: ReadonlyMap<number, PackedSource> | undefined;
  readonly secretIds: ReadonlySet<string>;
}

/**
 * What the steps of a plan need, the request has.
 *
 * @param file - the recipe's name in messages.
 * @throws WrennError `recipe_invalid` with the first step that lacks something.
 */
export function requireBroughtAlong({ steps }: BuildPlan, file: string, brought: BroughtAlong): void {
  for (const step of steps) {
    const { action } = step;
    const [source] = sourcesOf(action)?.sources ?? [];
    if (source !== undefined) {
      const place = `${file}:${source.position.line}:${source.position.column}`;
      if (!brought.hasArchive)
        throw new WrennError("recipe_invalid", {
          problems: `${place}: ${keywordOf(step)} takes files, and the build has none`,
          advice:
            brought.sources === undefined
              ? "Send the files as the field archive of a form."
              : "Build with a directory, whose files the client sends.",
        });
      if (brought.sources !== undefined && !brought.sources.has(step.step))
        throw new WrennError("recipe_invalid", {
          problems: `${place}: the build has no files for step ${step.step}`,
          advice: "Send them in the archive, and their digest in the field sources.",
        });
    }
    const missing = secretsOf(step).find(({ id, required }) => required && !brought.secretIds.has(id));
    if (missing !== undefined)
      throw new WrennError("recipe_invalid", {
        problems: `${file}: step ${step.step} needs the secret ${missing.id}, and the build does not have it`,
        advice: `Give it with the build, or write required=false.`,
      });
  }
}

/** The secrets that a step mounts. */
export function secretsOf({ action }: PlannedStep): readonly Extract<RunMount, { type: "secret" }>[] {
  return action.type === "run" ? action.mounts.filter((mount) => mount.type === "secret") : [];
}

function keywordOf({ cmd }: PlannedStep): string {
  return cmd.split(" ", 1)[0] ?? cmd;
}
