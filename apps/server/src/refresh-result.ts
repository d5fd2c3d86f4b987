import type { PackageChange } from "@wrenn/disk-image";

/** The outcome of a refresh. */
export type RefreshOutcome =
  /** Nothing is built yet: the first start builds it from current packages. */
  | "not_built"
  /** The template has Debian's current packages and kernel. */
  | "current"
  /** Only checked: a refresh would change something. */
  | "outdated"
  | "refreshed";

export interface RefreshResult {
  readonly template: string;
  readonly outcome: RefreshOutcome;
  /** Of a check, what a refresh would change; otherwise what is different. */
  readonly packages: readonly PackageChange[];
  /** Versions of the kernel's Debian package. */
  readonly kernel: { readonly before?: string; readonly after?: string };
  /** Bytes that the image takes on the disk of this host. */
  readonly imageBytes: { readonly before?: number; readonly after?: number };
}
