/**
 * Media types of manifests: OCI image specification, media-types.md, and Docker's image manifest version 2, schema 2, which has
 * the same fields.
 */
export const INDEX_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
export const MANIFEST_TYPES: readonly string[] = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

/** What an archive of Docker has, in which nothing has a type. */
export const DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";
/** By compression. */
export const DOCKER_LAYER_TYPES = {
  none: "application/vnd.docker.image.rootfs.diff.tar",
  gzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  zstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
} as const;

/** What registries are asked for. Schema 1 is not: it has neither digests of its configuration nor of unpacked layers. */
export const ACCEPTED_MANIFESTS = [...MANIFEST_TYPES, ...INDEX_TYPES].join(", ");

const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;

const LAYER_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd",
  "application/vnd.docker.image.rootfs.diff.tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
]);
const CONFIG_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** Why a manifest of this type is not read; undefined where it is. */
export function manifestProblem(mediaType: string): string | undefined {
  if (MANIFEST_TYPES.includes(mediaType) || INDEX_TYPES.includes(mediaType)) return undefined;
  if (SCHEMA_1.test(mediaType)) return "its manifest is Docker schema 1, which has no verifiable layers";
  return `its manifest is of the unknown type ${mediaType}`;
}

/** Why a layer of this type is not read; undefined where it is. */
export function layerProblem(mediaType: string): string | undefined {
  if (LAYER_TYPES.has(mediaType)) return undefined;
  if (/foreign|nondistributable/.test(mediaType))
    return `a layer is not distributable (${mediaType}): it must be fetched from somewhere else`;
  if (/encrypted/.test(mediaType)) return `a layer is encrypted (${mediaType})`;
  return `a layer is of the unknown type ${mediaType}`;
}

/** Why a configuration of this type is not read; undefined where it is. */
export function configProblem(mediaType: string): string | undefined {
  return CONFIG_TYPES.has(mediaType)
    ? undefined
    : `it is an artifact of the type ${mediaType}, and no image of files`;
}
