import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@wrenn/system";
import type { ArtifactStore } from "./artifact-store.ts";
import type { GuestKernel } from "./boot-artifacts.ts";

const MODULES = "lib/modules";

/**
 * The modules of a kernel that guests load when they use them, with the indexes of depmod(8): for images that have no depmod.
 *
 * @returns a directory like `/lib/modules`; undefined for a kernel without modules.
 * @throws WrennError `dependency_missing`, `command_failed`.
 */
export async function indexedModules(
  store: ArtifactStore,
  { key, loadable }: Pick<GuestKernel, "key" | "loadable">,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (loadable === undefined) return undefined;
  const directory = await store.buildOnce(
    "modules",
    key,
    async (building) => {
      await cp(loadable, join(building, MODULES), { recursive: true });
      for (const release of await readdir(loadable))
        await runCommand(["depmod", "--basedir", building, release], { signal });
    },
    signal,
  );
  return join(directory, MODULES);
}
