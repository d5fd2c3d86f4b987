import type { CopyAction, StepAction } from "./recipe-step.ts";

/** What a step needs of the context. */
export type StepSources = Pick<CopyAction, "sources" | "targetIsDirectory" | "mode" | "unpack">;

/** The files of the context that a step copies or mounts; undefined for a step that needs none. */
export function sourcesOf(action: StepAction): StepSources | undefined {
  if (action.type === "copy") return action.sources.length > 0 ? action : undefined;
  if (action.type !== "run") return undefined;
  const bind = action.mounts.find((mount) => mount.type === "bind");
  if (bind === undefined) return undefined;
  const sources = [{ pattern: bind.source, position: bind.position }];
  return { sources, targetIsDirectory: false, mode: undefined, unpack: false };
}
