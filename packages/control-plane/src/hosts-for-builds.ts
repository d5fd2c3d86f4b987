import type { BaseImages } from "./builds/base-images.ts";
import type { BuildCapsules } from "./builds/build-capsules.ts";
import { CapsulesForBuilds } from "./capsules-for-builds.ts";
import type { CapsulesForBuildsDeps } from "./capsules-for-builds.ts";
import { ImagesForBuilds } from "./images-for-builds.ts";
import type { ImagesForBuildsDeps } from "./images-for-builds.ts";

/** What builds use of hosts: the capsules that they run in, and the images that they start from. */
export function hostsForBuilds(deps: CapsulesForBuildsDeps & ImagesForBuildsDeps): {
  readonly capsules: BuildCapsules;
  readonly images: BaseImages;
} {
  return { capsules: new CapsulesForBuilds(deps), images: new ImagesForBuilds(deps) };
}
