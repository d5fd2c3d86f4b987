import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { defined } from "@wrenn/core";
import type { ImageTree } from "@wrenn/disk-image";
import type { OnPullProgress } from "@wrenn/host-agent";
import { applyLayers, pullImage } from "@wrenn/oci";
import type { ChosenManifest, ImageProgress, ImageSource, OciImageConfig, Platform } from "@wrenn/oci";
import type { ImageSettings, ImportProgress } from "@wrenn/protocol";

/** What the machines of this host can run. */
export const hostPlatform: Platform = {
  os: "linux",
  architecture: process.arch === "arm64" ? "arm64" : "amd64",
};

/**
 * Writes the files of an image into a new directory below `directory`, which is empty.
 *
 * @throws WrennError as `FoundImage.pull`.
 */
export async function treeOfImage(
  image: ImageSource,
  { chosen, directory }: { readonly chosen: ChosenManifest; readonly directory: string },
  onProgress: OnPullProgress,
  signal: AbortSignal,
): Promise<ImageTree<ImageSettings>> {
  const [layers, scratch, tree] = ["layers", "unpacked", "tree"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [layers, scratch, tree]) await mkdir(path, { mode: 0o755 });
  const progress = (now: ImageProgress): void => onProgress(progressOf(now));
  const pulled = await pullImage(image, {
    platform: hostPlatform,
    chosen,
    directory: layers,
    signal,
    progress,
  });
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
}

function progressOf({ step, done, total }: ImageProgress): ImportProgress {
  return { phase: step === "download" ? "download" : "unpack", doneBytes: done, totalBytes: total };
}

/** What the configuration of an image says, as the protocol has it. */
function settingsOf(config: OciImageConfig): ImageSettings {
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
