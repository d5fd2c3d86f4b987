/** Names an image of a registry. */
export interface ImageReference {
  /** Host with its port, such as `docker.io` or `localhost:5000`. */
  readonly registry: string;
  readonly repository: string;
  /** Undefined only where there is a digest. */
  readonly tag: string | undefined;
  /** `sha256:…`; it decides where there is a tag as well. */
  readonly digest: string | undefined;
}

/** Docker Hub's name in references. Its API is at {@link DOCKER_HUB_HOST}. */
export const DOCKER_HUB = "docker.io";
export const DOCKER_HUB_HOST = "registry-1.docker.io";

/** The reference in its full form, such as `docker.io/library/python:3.12`. */
export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  return [
    `${registry}/${repository}`,
    tag === undefined ? "" : `:${tag}`,
    digest === undefined ? "" : `@${digest}`,
  ].join("");
}
