/** Names bytes by their digest (OCI image specification, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

export interface ManifestBytes {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export interface SaveBlobOptions {
  readonly signal: AbortSignal;
  /** Takes how many bytes have arrived since the last call; negative where a download begins again. */
  readonly onBytes?: (count: number) => void;
}

/** Where the manifests, configurations and layers of one image come from: a registry or an archive. */
export interface ImageSource {
  /** What errors call the image. */
  readonly name: string;

  /**
   * The manifest or list of manifests that the name leads to, or the one of an entry of a list. The bytes are verified.
   *
   * @throws WrennError `image_not_found`, `image_access_denied`, `image_damaged`, `image_unsupported`, `registry_unreachable` or
   * `registry_rate_limited`.
   */
  readManifest(entry: Descriptor | undefined, signal: AbortSignal): Promise<ManifestBytes>;

  /**
   * A small blob, verified by digest and size.
   *
   * @throws as {@link ImageSource.readManifest}.
   */
  readBlob(blob: Descriptor, signal: AbortSignal): Promise<Uint8Array>;

  /**
   * Writes a blob to a file, which must not exist. The file is there only if its digest and size are verified.
   *
   * @throws as {@link ImageSource.readManifest}; `disk_full`.
   */
  saveBlob(blob: Descriptor, path: string, options: SaveBlobOptions): Promise<void>;
}

/** Most bytes of a manifest, a list of manifests and a configuration. Registries accept manifests of 4 MiB (OCI distribution specification). */
export const MAX_JSON_BYTES = 4 * 2 ** 20;
