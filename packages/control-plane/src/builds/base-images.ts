import type { BuildRow } from "@wrenn/database";
import type { ImageSettings, ImportProgress, RegistryLogin } from "@wrenn/protocol";
import type { ImageConfig } from "@wrenn/recipe";
import type { FoundTemplate } from "../templates/templates.ts";

/** Of a health check that says none. */
const INTERVAL_MS = 3000;
const TIMEOUT_MS = 30_000;
/** Behind the start period. */
const DEADLINE_MS = 5 * 60_000;

export interface BaseImageRequest {
  /** UUID of the team whose capsules start from it. */
  readonly teamId: string;
  /** Public id of the build. */
  readonly build: string;
  /** As people write it. */
  readonly reference: string;
  readonly login?: RegistryLogin | undefined;
  /** The image is in this archive, under this name or as the only one. */
  readonly archive?: (ReceivedImage & { readonly image?: string }) | undefined;
}

/** An archive of images that a host has received for one build. */
export interface ReceivedImage {
  /** UUID. */
  readonly hostId: string;
  readonly id: string;
}

/** An image as a build starts from it. */
export interface BaseImage {
  readonly base: FoundTemplate;
  /** `sha256:…`, of the manifest. */
  readonly digest: string;
  readonly settings: ImageSettings;
}

/** Where images of registries and archives become templates of a host; the composition of the control plane knows. */
export interface BaseImages {
  /**
   * Brings an archive of images to a host of the team, while it arrives. Nothing is left of one that does not arrive as a whole.
   *
   * @throws WrennError `no_hosts`, `disk_full`, `host_unavailable`; what reading `content` throws.
   */
  receive(teamId: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<ReceivedImage>;
  /** Removes an archive soon. Never rejects: a host that cannot be reached removes it later by itself. */
  drop(archive: ReceivedImage): Promise<void>;
  /**
   * Imports an image on a host of the team, or finds it there.
   *
   * @param onProgress - called again and again while it is imported.
   * @throws WrennError as `importImage` of a host.
   */
  import(
    request: BaseImageRequest,
    onProgress: (progress: ImportProgress) => Promise<void>,
    signal: AbortSignal,
  ): Promise<BaseImage>;
}

/** The settings that a recipe begins with. @param env - what every process of a guest has. */
export function configOf(
  { settings }: BaseImage,
  env: Readonly<Record<string, string>>,
): Partial<ImageConfig> {
  const { env: own, user, workdir, shell, entrypoint, cmd, exposedPorts, labels, stopSignal } = settings;
  return {
    env: { ...env, ...own },
    user,
    workdir,
    shell,
    entrypoint,
    cmd,
    exposedPorts,
    labels,
    stopSignal,
    healthcheck: checkOf(settings),
  };
}

/**
 * An image says how often a program is looked at that runs for months. A build waits for its first success: it looks as often as with a
 * check of its own, and lets no failure count before the time is over.
 */
function checkOf({ healthcheck }: ImageSettings): ImageConfig["healthcheck"] {
  if (healthcheck === undefined || healthcheck.argv.length === 0) return undefined;
  const { argv, intervalMs = INTERVAL_MS, timeoutMs = TIMEOUT_MS, startPeriodMs = 0 } = healthcheck;
  return {
    argv,
    intervalMs: Math.max(Math.min(intervalMs, INTERVAL_MS), 1),
    timeoutMs: Math.max(timeoutMs, 1),
    startPeriodMs,
    retries: 0,
    deadlineMs: startPeriodMs + DEADLINE_MS,
  };
}

/** Has the archives of images removed that these builds started from. */
export async function dropArchives(
  images: Pick<BaseImages, "drop">,
  rows: readonly Pick<BuildRow, "recipe_options">[],
): Promise<void> {
  for (const { recipe_options: options } of rows)
    if (options.imageArchive) await images.drop(options.imageArchive);
}
