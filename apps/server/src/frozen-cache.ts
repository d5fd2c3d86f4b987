import type { ArtifactStore } from "@wrenn/disk-image";
import type { BootTemplateDeps } from "@wrenn/host-agent";

/** Frozen templates in the cache, of all servers and releases. What capsules use is not only there. */
const CACHED_TEMPLATES = 64;

/** Where frozen templates are made and found. */
export function frozenCache(store: ArtifactStore): Pick<BootTemplateDeps, "findBuilt" | "buildOnce"> {
  return {
    findBuilt: (kind, key) => store.find(kind, key),
    buildOnce: async (kind, key, build, signal) => {
      const built = await store.buildOnce(kind, key, build, signal);
      await store.trim(kind, CACHED_TEMPLATES);
      return built;
    },
  };
}
