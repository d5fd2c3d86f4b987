import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { defined } from "@wrenn/core";
import type { FoundImage, ImagePuller } from "@wrenn/host-agent";
import { applyLayers, openRegistry, parseReference, pullImage } from "@wrenn/oci";
import type {
  ImageProgress,
  ImageSource as RegistryImage,
  OciImageConfig,
  Platform,
  RegistrySettings,
} from "@wrenn/oci";
import type { ImageSettings, ImportProgress } from "@wrenn/protocol";
import { trustedHosts } from "../config/registries.ts";
import type { RegistryConfig } from "../config/registries.ts";
import { fileCredentials } from "./registry-credentials.ts";
import { registryFetch } from "./registry-fetch.ts";

type RegistryPullerDeps = Pick<Required<RegistrySettings>, "clock" | "logger" | "random">;

/** Images of registries for the machines of this host. */
export function registryPuller(
  config: RegistryConfig = { mirrors: {}, plainHttp: [], privateHosts: [] },
  deps: RegistryPullerDeps,
): ImagePuller {
  const { defaultRegistry, mirrors, plainHttp, credentialsFile } = config;
  const platform: Platform = {
    os: "linux",
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
  };
  const fetch = registryFetch({ ...config, trusted: trustedHosts(config) });
  const credentials = credentialsFile === undefined ? undefined : fileCredentials(credentialsFile);
  const settings: RegistrySettings = { ...deps, mirrors, plainHttp, fetch, ...defined({ credentials }) };
  return {
    find: async ({ reference: text, login }, signal) => {
      const reference = parseReference(text, defined({ defaultRegistry }));
      const registry = openRegistry(
        login ? { ...settings, credentials: onlyAt(reference.registry, login) } : settings,
      );
      const { digest } = await registry.image(reference).readManifest(undefined, signal);
      // Pulled by its digest: the tag may move meanwhile.
      return foundImage(digest, registry.image({ ...reference, digest }), platform);
    },
  };
}

function foundImage(digest: string, image: RegistryImage, platform: Platform): FoundImage {
  return {
    digest,
    pull: async (directory, onProgress, signal) => {
      const [layers, scratch, tree] = ["layers", "unpacked", "tree"].map((name) => join(directory, name)) as [
        string,
        string,
        string,
      ];
      for (const path of [layers, scratch, tree]) await mkdir(path, { mode: 0o755 });
      const progress = (now: ImageProgress): void => onProgress(progressOf(now));
      const pulled = await pullImage(image, { platform, directory: layers, signal, progress });
      const { config } = pulled;
      await applyLayers(pulled.layers, {
        scratch,
        tree,
        signal,
        progress,
        architecture: {
          architecture: config.platform.architecture,
          programs: [...config.entrypoint, ...config.cmd].slice(0, 1),
          path: config.env["PATH"],
        },
      });
      // Room for the disk that is made of the tree next.
      for (const path of [layers, scratch]) await rm(path, { recursive: true });
      return { tree, digest: pulled.digest, settings: settingsOf(config) };
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

function progressOf({ step, done, total }: ImageProgress): ImportProgress {
  return { phase: step === "download" ? "download" : "unpack", doneBytes: done, totalBytes: total };
}

/** What the configuration of an image says, as the protocol has it. */
export function settingsOf(config: OciImageConfig): ImageSettings {
  const { env, user, shell, entrypoint, cmd, stopSignal, exposedPorts, healthcheck, labels } = config;
  return {
    env: { ...env },
    user,
    workdir: config.workdir ?? "/",
    shell: [...shell],
    entrypoint: [...entrypoint],
    cmd: [...cmd],
    exposedPorts: [...exposedPorts],
    labels: { ...labels },
    ...defined({ stopSignal, healthcheck: healthcheck && healthcheckOf(healthcheck, shell) }),
  };
}

function healthcheckOf(
  { command, intervalMs, timeoutMs, startPeriodMs, retries }: NonNullable<OciImageConfig["healthcheck"]>,
  shell: readonly string[],
): NonNullable<ImageSettings["healthcheck"]> {
  return {
    argv: command.form === "exec" ? [...command.argv] : [...shell, command.text],
    ...defined({ intervalMs, timeoutMs, startPeriodMs, retries }),
  };
}
