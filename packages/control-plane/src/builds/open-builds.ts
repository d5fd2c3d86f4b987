import { SealedJson } from "../secrets/sealed-json.ts";
import type { SealedBuild } from "./stored-recipe.ts";
import type { BaseImages } from "./base-images.ts";
import { BuildArchives } from "./build-archives.ts";
import type { BuildArchivesDeps } from "./build-archives.ts";
import { CapsuleBuilder } from "./capsule-builder.ts";
import type { CapsuleBuilderDeps } from "./capsule-builder.ts";
import type { TemplateBuilder } from "./template-builder.ts";
import { BuildRunner } from "./build-runner.ts";
import type { BuildRunnerDeps } from "./build-runner.ts";
import { BuildsService } from "./builds.ts";

export type OpenBuildsDeps = Omit<BuildRunnerDeps, "archives" | "builder" | "capsules" | "sealed"> &
  BuildArchivesDeps &
  CapsuleBuilderDeps;

/** What the platform does with builds, each part for those that need it. */
export interface Builds {
  readonly builds: BuildsService;
  readonly archives: BuildArchives;
  readonly images: BaseImages;
  readonly runner: BuildRunner;
}

/**
 * Builds the parts in the order in which they depend on each other. Nothing runs before the first sweep.
 *
 * @param builder - default: one that builds in capsules.
 */
export async function openBuilds(
  deps: OpenBuildsDeps,
  builder: TemplateBuilder = new CapsuleBuilder(deps),
): Promise<Builds> {
  const archives = new BuildArchives(deps);
  const sealed = await SealedJson.open<SealedBuild>(deps.database, deps.random, "build-secrets");
  const runner = new BuildRunner({ ...deps, builder, archives, sealed });
  return { builds: new BuildsService({ ...deps, runner, sealed }), archives, images: deps.images, runner };
}
