import { defined } from "@wrenn/core";
import type { ImagePuller } from "@wrenn/host-agent";
import { chooseImage, openRegistry, parseReference } from "@wrenn/oci";
import type { RegistrySettings } from "@wrenn/oci";
import { noRegistries } from "../config/registries.ts";
import type { RegistryConfig } from "../config/registries.ts";
import { fileCredentials } from "./registry-credentials.ts";
import { hostPlatform, treeOfImage } from "./image-tree.ts";
import { registryFetch, registryReach } from "./registry-fetch.ts";

type RegistryPullerDeps = Pick<Required<RegistrySettings>, "clock" | "logger" | "random">;

/** Images of registries for the machines of this host. */
export function registryPuller(
  config: RegistryConfig = noRegistries,
  deps: RegistryPullerDeps,
): Pick<ImagePuller, "find"> {
  const { defaultRegistry, mirrors, plainHttp, credentialsFile } = config;
  const fetch = registryFetch(registryReach(config));
  const credentials = credentialsFile === undefined ? undefined : fileCredentials(credentialsFile);
  const settings: RegistrySettings = { ...deps, mirrors, plainHttp, fetch, ...defined({ credentials }) };
  return {
    find: async ({ reference: text, login }, signal) => {
      const reference = parseReference(text, defined({ defaultRegistry }));
      const registry = openRegistry(
        login ? { ...settings, credentials: onlyAt(reference.registry, login) } : settings,
      );
      const image = registry.image(reference);
      const chosen = await chooseImage(image, { platform: hostPlatform, signal });
      return {
        digest: chosen.digest,
        // By the digests of what was chosen: the tag may move meanwhile.
        pull: async (directory, onProgress, inner) =>
          await treeOfImage(image, { chosen, directory }, onProgress, inner),
      };
    },
  };
}

/** A caller's own credentials are for the registry that it names, and not for its mirrors. */
function onlyAt(
  registry: string,
  login: { readonly username: string; readonly password: string },
): NonNullable<RegistrySettings["credentials"]> {
  return (asked) => (asked === registry ? login : undefined);
}
