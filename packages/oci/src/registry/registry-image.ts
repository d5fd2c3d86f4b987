import { WrennError } from "@wrenn/core";
import type { Clock, ErrorReason, Logger, Random } from "@wrenn/core";
import { ACCEPTED_MANIFESTS, manifestProblem } from "../image/media-types.ts";
import { MAX_JSON_BYTES } from "../image/image-source.ts";
import type { Descriptor, ImageSource, ManifestBytes, SaveBlobOptions } from "../image/image-source.ts";
import { readDocument } from "../image/json-fields.ts";
import { guessManifestType } from "../image/manifest.ts";
import { digestOf, digestProblem } from "../reference/digest.ts";
import { formatReference } from "../reference/image-reference.ts";
import type { ImageReference } from "../reference/image-reference.ts";
import { Authorization } from "./authorization.ts";
import type { AuthorizationDeps } from "./authorization.ts";
import { FileSink, MemorySink } from "../disk/blob-sink.ts";
import type { BlobSink } from "../disk/blob-sink.ts";
import type { RegistryEndpoint } from "./endpoint.ts";
import { followRedirects } from "./follow-redirects.ts";
import type { RequestHeaders } from "./follow-redirects.ts";
import { IdleTimer } from "./idle-timer.ts";
import { readBounded } from "./read-body.ts";
import { checkStatus } from "./response-status.ts";
import { Retries, retrying } from "./retry.ts";
import type { TransferLimits } from "./retry.ts";
import { transferBlob } from "./transfer-blob.ts";
import { TransferError } from "./transfer-error.ts";

export interface RegistryImageDeps extends AuthorizationDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: TransferLimits;
}

/** Mirrors are there to save time: they get fewer attempts than the registry itself. */
const MIRROR_ATTEMPTS = 2;
/** Another place may have what one refuses, lacks or has damaged. */
const ELSEWHERE: ReadonlySet<ErrorReason> = new Set([
  "image_not_found",
  "image_access_denied",
  "image_damaged",
  "registry_unreachable",
  "registry_rate_limited",
]);

/** An image of a registry, by its mirrors and the registry itself. */
export class RegistryImage implements ImageSource {
  readonly name: string;
  readonly #reference: ImageReference;
  readonly #deps: RegistryImageDeps;
  /** Mirrors that failed are left out of the rest of the pull. */
  #places: readonly { readonly endpoint: RegistryEndpoint; readonly authorization: Authorization }[];

  constructor(reference: ImageReference, endpoints: readonly RegistryEndpoint[], deps: RegistryImageDeps) {
    this.name = formatReference(reference);
    this.#reference = reference;
    this.#deps = deps;
    this.#places = endpoints.map((endpoint) => ({
      endpoint,
      authorization: new Authorization(endpoint, reference.repository, deps),
    }));
  }

  async readManifest(entry: Descriptor | undefined, signal: AbortSignal): Promise<ManifestBytes> {
    const digest = entry?.digest ?? this.#reference.digest;
    const path = `manifests/${digest ?? this.#reference.tag ?? "latest"}`;
    return await this.#anywhere(signal, async (request, endpoint) => {
      const retries = this.#retries(endpoint);
      const { response, bytes } = await retrying(retries, signal, async () => {
        using timer = new IdleTimer(this.#deps.limits.idleMs, signal);
        const response = await request(path, { accept: ACCEPTED_MANIFESTS }, timer.signal);
        if (response.status !== 200) throw new TransferError("it sends a part of a manifest");
        return { response, bytes: await readBounded(response, MAX_JSON_BYTES, timer) };
      });
      if (bytes === undefined)
        throw new WrennError("image_too_large", { limit: MAX_JSON_BYTES, what: "bytes in a manifest" });
      const said = response.headers.get("docker-content-digest") ?? "";
      const expected = digest ?? (digestProblem(said) === undefined ? said : undefined);
      return this.#verified(response, bytes, { expected, size: entry?.size });
    });
  }

  async readBlob(blob: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
    if (blob.size > MAX_JSON_BYTES)
      throw new WrennError("image_too_large", { limit: MAX_JSON_BYTES, what: "bytes in its configuration" });
    const sink = new MemorySink();
    await this.#transfer(blob, sink, { signal });
    return sink.bytes();
  }

  async saveBlob(blob: Descriptor, path: string, options: SaveBlobOptions): Promise<void> {
    await using sink = await FileSink.create(path);
    await this.#transfer(blob, sink, options);
    sink.keep();
  }

  async #transfer(blob: Descriptor, sink: BlobSink, { signal, onBytes }: SaveBlobOptions): Promise<void> {
    let counted = 0;
    await this.#anywhere(signal, async (request, endpoint) => {
      await sink.restart();
      onBytes?.(-counted);
      counted = 0;
      const retries = this.#retries(endpoint);
      await transferBlob(
        {
          image: this.name,
          blob,
          limits: this.#deps.limits,
          retries,
          signal,
          request: async (offset, signal) =>
            await request(`blobs/${blob.digest}`, offset > 0 ? { range: `bytes=${offset}-` } : {}, signal),
          onBytes: (count) => {
            counted += count;
            onBytes?.(count);
          },
        },
        sink,
      );
    });
  }

  /** Does `work` with the first place that has what it needs. @throws what the last one, the registry itself, failed with. */
  async #anywhere<T>(
    signal: AbortSignal,
    work: (request: RegistryRequest, endpoint: RegistryEndpoint) => Promise<T>,
  ): Promise<T> {
    for (const place of this.#places) {
      const { endpoint, authorization } = place;
      try {
        return await work(
          async (path, headers, signal) =>
            await this.#request(endpoint, authorization, path, headers, signal),
          endpoint,
        );
      } catch (thrown) {
        signal.throwIfAborted();
        const error = thrown instanceof TransferError ? thrown.asWrennError(endpoint.host) : thrown;
        if (!endpoint.isMirror || !(error instanceof WrennError) || !ELSEWHERE.has(error.reason)) throw error;
        this.#places = this.#places.filter((other) => other !== place);
        this.#deps.logger.warn("image_mirror_failed", {
          mirror: endpoint.host,
          image: this.name,
          reason: error.reason,
          problem: error.message,
        });
      }
    }
    throw new Error("a registry has no endpoint");
  }

  /**
   * One GET of the repository. A refused token is replaced once.
   *
   * @throws WrennError and TransferError as {@link checkStatus}.
   */
  async #request(
    endpoint: RegistryEndpoint,
    authorization: Authorization,
    path: string,
    headers: RequestHeaders,
    signal: AbortSignal,
  ): Promise<Response> {
    const { clock, fetch } = this.#deps;
    const url = new URL(`${this.#reference.repository}/${path}`, endpoint.base);
    for (let isNew = false; ; isNew = true) {
      const header = await authorization.header(signal);
      const answer = await followRedirects(
        fetch,
        url,
        header === undefined ? headers : { ...headers, authorization: header },
        signal,
      );
      if (answer.response.status === 401 && answer.isSameOrigin && !isNew) {
        await authorization.answer(answer.response, header, signal);
        continue;
      }
      await checkStatus(answer, { clock, registry: endpoint.host, image: this.name });
      return answer.response;
    }
  }

  #retries(endpoint: RegistryEndpoint): Retries {
    const { limits } = this.#deps;
    const attempts = endpoint.isMirror ? Math.min(MIRROR_ATTEMPTS, limits.attempts) : limits.attempts;
    return new Retries({ ...limits, attempts }, this.#deps);
  }

  #verified(
    response: Response,
    bytes: Uint8Array,
    { expected, size }: { readonly expected: string | undefined; readonly size: number | undefined },
  ): ManifestBytes {
    const digest = digestOf(bytes, expected);
    const blob = expected ?? "manifest";
    if (expected !== undefined && digest !== expected)
      throw new WrennError("image_damaged", { image: this.name, blob, problem: `its digest is ${digest}` });
    if (size !== undefined && size !== bytes.length)
      throw new WrennError("image_damaged", {
        image: this.name,
        blob,
        problem: `it has ${bytes.length} bytes, and the list of manifests says ${size}`,
      });
    // Storage behind some registries knows no types.
    const [said = ""] = (response.headers.get("content-type") ?? "").split(";");
    const mediaType =
      manifestProblem(said.trim()) === undefined
        ? said.trim()
        : readDocument(this.name, "its manifest", () => guessManifestType(bytes));
    const problem = manifestProblem(mediaType);
    if (problem !== undefined) throw new WrennError("image_unsupported", { image: this.name, problem });
    return { mediaType, digest, bytes };
  }
}

type RegistryRequest = (path: string, headers: RequestHeaders, signal: AbortSignal) => Promise<Response>;
