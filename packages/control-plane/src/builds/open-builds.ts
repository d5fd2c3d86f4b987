import { BuildArchives } from "./build-archives.ts";
import type { BuildArchivesDeps } from "./build-archives.ts";
import { BuildRunner } from "./build-runner.ts";
import type { BuildRunnerDeps } from "./build-runner.ts";
import { BuildsService } from "./builds.ts";

export type OpenBuildsDeps = Omit<BuildRunnerDeps, "archives"> & BuildArchivesDeps;

/** What the platform does with builds, each part for those that need it. */
export interface Builds {
  readonly builds: BuildsService;
  readonly archives: BuildArchives;
  readonly runner: BuildRunner;
}

/** Builds the parts in the order in which they depend on each other. Nothing runs before the first sweep. */
export function openBuilds(deps: OpenBuildsDeps): Builds {
  const archives = new BuildArchives(deps);
  const runner = new BuildRunner({ ...deps, archives });
  return { builds: new BuildsService({ ...deps, runner }), archives, runner };
}
