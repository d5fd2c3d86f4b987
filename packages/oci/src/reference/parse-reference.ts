import { WrennError } from "@wrenn/core";
import { digestProblem } from "./digest.ts";
import { DOCKER_HUB, DOCKER_HUB_HOST } from "./image-reference.ts";
import type { ImageReference } from "./image-reference.ts";

/** The longest name that registries have (OCI distribution specification, "Pulling manifests"). */
const MAX_NAME = 255;
const MAX_TAG = 128;
const MAX_REFERENCE = 1024;

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const HOST = /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::[0-9]{1,5})?$/;

export interface ReferenceOptions {
  /** The registry of references that name none. Default: `docker.io`. */
  readonly defaultRegistry?: string;
}

/**
 * Reads an image reference by the rules of Docker: the part before the first slash is a registry if it has a dot or a colon or is
 * `localhost`. Without tag and digest the tag is `latest`. Docker Hub's images of one component are in `library/`.
 *
 * @throws WrennError `image_reference_invalid` with the position of the fault, counted from 1.
 */
export function parseReference(text: string, options: ReferenceOptions = {}): ImageReference {
  return new ReferenceReader(text).read(options.defaultRegistry ?? DOCKER_HUB);
}

class ReferenceReader {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  read(defaultRegistry: string): ImageReference {
    const text = this.#text;
    if (text === "") throw this.#error(0, "it is empty");
    if (text.length > MAX_REFERENCE)
      throw this.#error(MAX_REFERENCE, `it is longer than ${MAX_REFERENCE} characters`);
    const scheme = /^[a-z+]+:\/\//i.exec(text);
    if (scheme) throw this.#error(0, `a reference has no ${scheme[0]}`);
    const at = text.indexOf("@");
    const digest = at === -1 ? undefined : this.#digest(at + 1);
    const nameEnd = at === -1 ? text.length : at;
    const colon = text.slice(0, nameEnd).indexOf(":", text.slice(0, nameEnd).lastIndexOf("/") + 1);
    const tag = colon === -1 ? undefined : this.#tag(colon + 1, nameEnd);
    const name = text.slice(0, colon === -1 ? nameEnd : colon);
    const host = registryOf(name);
    if (host !== undefined && !HOST.test(host)) throw this.#error(0, `${host} is not a registry host`);
    const repository = this.#repository(name, host === undefined ? 0 : host.length + 1);
    const registry = canonicalRegistry(host ?? defaultRegistry);
    return {
      registry,
      repository: registry === DOCKER_HUB && !repository.includes("/") ? `library/${repository}` : repository,
      tag: tag ?? (digest === undefined ? "latest" : undefined),
      digest,
    };
  }

  #repository(name: string, start: number): string {
    const repository = name.slice(start);
    if (name.length > MAX_NAME) throw this.#error(MAX_NAME, `the name is longer than ${MAX_NAME} characters`);
    let place = start;
    for (const component of repository.split("/")) {
      if (component === "") throw this.#error(place, "a component of the repository is empty");
      const odd = component.search(/[^a-z0-9._-]/);
      if (odd !== -1)
        throw this.#error(
          place + odd,
          /[A-Z]/.test(component[odd] ?? "")
            ? "repositories are lower case"
            : `${JSON.stringify(component[odd])} is not allowed in a repository`,
        );
      if (!COMPONENT.test(component))
        throw this.#error(
          place,
          `${component} has a separator at an end, or two that do not belong together`,
        );
      place += component.length + 1;
    }
    return repository;
  }

  #tag(start: number, end: number): string {
    const tag = this.#text.slice(start, end);
    if (tag === "") throw this.#error(start, "the tag is empty");
    const odd = tag.search(/[^\w.-]/);
    if (odd !== -1) throw this.#error(start + odd, `${JSON.stringify(tag[odd])} is not allowed in a tag`);
    if (/^[.-]/.test(tag)) throw this.#error(start, "a tag begins with a letter, a digit or _");
    if (tag.length > MAX_TAG)
      throw this.#error(start + MAX_TAG, `the tag is longer than ${MAX_TAG} characters`);
    return tag;
  }

  #digest(start: number): string {
    const digest = this.#text.slice(start);
    const problem = digestProblem(digest);
    if (problem !== undefined) throw this.#error(start, problem);
    return digest;
  }

  #error(place: number, problem: string): WrennError {
    return new WrennError("image_reference_invalid", {
      reference: this.#text.slice(0, MAX_REFERENCE),
      problem,
      position: place + 1,
    });
  }
}

/** The registry that a name begins with; undefined where it begins with a component of the repository. */
function registryOf(name: string): string | undefined {
  const slash = name.indexOf("/");
  if (slash === -1) return undefined;
  const first = name.slice(0, slash);
  return /[.:]/.test(first) || first === "localhost" ? first : undefined;
}

/** Docker Hub has three names; the others are as they are written, in lower case. */
function canonicalRegistry(host: string): string {
  const lower = host.toLowerCase();
  return lower === "index.docker.io" || lower === DOCKER_HUB_HOST ? DOCKER_HUB : lower;
}
