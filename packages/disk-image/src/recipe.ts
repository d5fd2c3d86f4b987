/** What goes into a template's disk; its hash names the image, so the same recipe is never built twice. */
export interface ImageRecipe {
  readonly name: string;
  /** Debian release. */
  readonly suite: string;
  readonly packages: readonly string[];
  /** Paths that packages bring and nobody needs here (dpkg's path-exclude patterns). */
  readonly excludes: readonly string[];
  readonly users: readonly ImageUser[];
  /** Whole files, by absolute path. */
  readonly files: readonly ImageFile[];
  /** Size of the file system in MiB; unused space costs nothing on the host. */
  readonly diskMib: number;
  /**
   * Whether the guest's kernel randomises the addresses of programs under emulation too; default: false. Every start of a program
   * at new addresses is translated again, which makes starts several times slower. Under KVM addresses are always randomised.
   */
  readonly randomizeAddresses?: boolean;
}

/**
 * A recipe with the packages and the kernel of one day. Images of an edition are built once and then kept; the first image of a
 * recipe has no edition.
 */
export interface ImageEdition {
  /** Names the versions of the packages and the kernel. */
  readonly id: string;
  /** Version of the kernel's Debian package; absent while the kernel is the first one. */
  readonly kernel?: string;
}

export interface ImageUser {
  readonly name: string;
  readonly uid: number;
  readonly shell: string;
}

export interface ImageFile {
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}
