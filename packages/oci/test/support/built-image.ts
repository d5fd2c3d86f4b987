import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { tarOf } from "./tar-builder.ts";
import type { TestMember } from "./tar-builder.ts";

/** Bytes with the name that registries and layouts have for them. */
export interface BuiltBlob {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

/** An image, or an index of images: all blobs of it, and the manifest that leads to the others. */
export interface BuiltImage {
  readonly manifest: BuiltBlob;
  readonly blobs: readonly BuiltBlob[];
  /** Of an image that is no index, from the lowest layer up. */
  readonly layers: readonly BuiltBlob[];
  readonly diffIds: readonly string[];
  readonly config: BuiltBlob | undefined;
}

export type LayerCompression = "none" | "gzip" | "zstd";

export interface ImageRecipe {
  /** Members, or whole archives. */
  readonly layers: readonly (readonly TestMember[] | Buffer)[];
  readonly compression?: LayerCompression;
  /** Docker's media types in place of OCI's. */
  readonly docker?: boolean;
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
  /** The field `config`: `Env`, `Cmd` and others. */
  readonly config?: Readonly<Record<string, unknown>>;
}

const TYPES = {
  oci: {
    index: "application/vnd.oci.image.index.v1+json",
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    layer: {
      none: "application/vnd.oci.image.layer.v1.tar",
      gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
      zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
    },
  },
  docker: {
    index: "application/vnd.docker.distribution.manifest.list.v2+json",
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    layer: {
      none: "application/vnd.docker.image.rootfs.diff.tar",
      gzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
      zstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
    },
  },
} as const;

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function blobOf(mediaType: string, content: Uint8Array | object): BuiltBlob {
  const bytes = content instanceof Uint8Array ? Buffer.from(content) : Buffer.from(JSON.stringify(content));
  return { mediaType, digest: sha256(bytes), bytes };
}

/** The descriptor of a blob. */
export function describe({ mediaType, digest, bytes }: BuiltBlob): {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
} {
  return { mediaType, digest, size: bytes.length };
}

/** Makes an image for one platform; default: linux/amd64. */
export function buildImage(recipe: ImageRecipe): BuiltImage {
  const { compression = "gzip", docker = false, os = "linux", architecture = "amd64", variant } = recipe;
  const types = docker ? TYPES.docker : TYPES.oci;
  const archives = recipe.layers.map((layer) => (Buffer.isBuffer(layer) ? layer : tarOf(layer)));
  const diffIds = archives.map(sha256);
  const layers = archives.map((archive) => blobOf(types.layer[compression], compress(archive, compression)));
  const config = blobOf(types.config, {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    config: recipe.config ?? {},
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const manifest = blobOf(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: describe(config),
    layers: layers.map(describe),
  });
  return { manifest, config, layers, diffIds, blobs: [manifest, config, ...layers] };
}

export interface IndexedImage {
  readonly image: BuiltImage;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Makes a list of images. */
export function buildIndex(images: readonly IndexedImage[], { docker = false } = {}): BuiltImage {
  const mediaType = (docker ? TYPES.docker : TYPES.oci).index;
  const manifest = blobOf(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: images.map(({ image, platform, annotations }) => ({
      ...describe(image.manifest),
      ...(platform ? { platform } : {}),
      ...(annotations ? { annotations } : {}),
    })),
  });
  return {
    manifest,
    config: undefined,
    layers: [],
    diffIds: [],
    blobs: [manifest, ...images.flatMap(({ image }) => image.blobs)],
  };
}

export function compress(bytes: Buffer, compression: LayerCompression): Buffer {
  if (compression === "none") return bytes;
  return compression === "gzip" ? gzipSync(bytes, { level: 1 }) : zstdCompressSync(bytes);
}
