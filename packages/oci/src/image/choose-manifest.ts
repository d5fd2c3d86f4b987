import { WrennError } from "@wrenn/core";
import type { Descriptor, ImageSource, ManifestBytes } from "./image-source.ts";
import { readDocument } from "./json-fields.ts";
import { parseManifest } from "./manifest.ts";
import type { IndexEntry } from "./manifest.ts";
import { fitsPlatform, formatPlatform } from "./platform.ts";
import type { Platform } from "./platform.ts";

/** Lists of manifests may name other lists; more than this is no image that a tool makes. */
const MAX_LISTS = 4;
const MAX_OFFERED = 20;

export interface ChosenManifest {
  readonly digest: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/**
 * Finds the manifest for a platform (OCI image specification, image-index.md: of several that fit, the first one).
 *
 * @throws WrennError `image_platform_missing` before anything but manifests is read; what the source throws.
 */
export async function chooseManifest(
  source: ImageSource,
  platform: Platform,
  signal: AbortSignal,
): Promise<ChosenManifest> {
  let entry: IndexEntry | undefined;
  for (let lists = 0; lists <= MAX_LISTS; lists += 1) {
    const manifest: ManifestBytes = await source.readManifest(entry, signal);
    const parsed = readDocument(source.name, "its manifest", () =>
      parseManifest(manifest.mediaType, manifest.bytes),
    );
    if (parsed.kind === "image")
      return { digest: manifest.digest, config: parsed.config, layers: parsed.layers };
    entry = chooseEntry(source.name, parsed.entries, platform);
  }
  throw new WrennError("image_unsupported", {
    image: source.name,
    problem: `its lists of manifests are nested deeper than ${MAX_LISTS}`,
  });
}

function chooseEntry(image: string, entries: readonly IndexEntry[], platform: Platform): IndexEntry {
  const chosen =
    entries.find((entry) => entry.platform !== undefined && fitsPlatform(entry.platform, platform)) ??
    // Archives leave the platform of a single image to its configuration, and so do lists of lists.
    entries.find((entry) => entry.platform === undefined);
  if (chosen) return chosen;
  const offered = entries.map((entry) => entry.platform).filter((one) => one !== undefined);
  throw platformMissing(image, platform, offered);
}

/** The error that lists what there is. */
export function platformMissing(image: string, platform: Platform, offered: readonly Platform[]): WrennError {
  // Attestations are listed as images for unknown/unknown.
  const names = new Set(offered.filter(({ os }) => os !== "unknown").map(formatPlatform));
  const listed = [...names].slice(0, MAX_OFFERED).join(", ");
  const more = names.size > MAX_OFFERED ? ` and ${names.size - MAX_OFFERED} more` : "";
  return new WrennError("image_platform_missing", {
    image,
    platform: formatPlatform(platform),
    offered: listed === "" ? "no platform" : `${listed}${more}`,
  });
}
