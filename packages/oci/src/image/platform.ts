/** What an image is built for, in the words of Go: `linux`, `amd64`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Of the architecture, such as `v8`. */
  readonly variant?: string;
}

/** `linux/arm64/v8` */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined || variant === "" ? [] : [variant])].join("/");
}

/**
 * Whether an image for `offered` runs where `wanted` is asked for. A variant that is not named is the base of its architecture, which
 * is v1 for amd64 (x86-64-v1) and v8 for arm64.
 */
export function fitsPlatform(offered: Platform, wanted: Platform): boolean {
  return (
    offered.os === wanted.os &&
    offered.architecture === wanted.architecture &&
    variantOf(offered) === variantOf(wanted)
  );
}

function variantOf({ architecture, variant }: Platform): string {
  if (variant !== undefined && variant !== "") return variant;
  return architecture === "amd64" ? "v1" : architecture === "arm64" ? "v8" : "";
}
