import type { Clock, Logger, Random } from "@wrenn/core";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { ImageSource } from "../image/image-source.ts";
import type { ImageReference } from "../reference/image-reference.ts";
import type { CredentialLookup } from "./authorization.ts";
import { endpointsOf } from "./endpoint.ts";
import type { EndpointSettings } from "./endpoint.ts";
import type { RegistryFetch } from "./follow-redirects.ts";
import { RegistryImage } from "./registry-image.ts";
import { defaultTransferLimits } from "./retry.ts";
import type { TransferLimits } from "./retry.ts";

export interface RegistrySettings extends Partial<EndpointSettings> {
  /** Used for manifests, configurations, layers and their tokens alike. Default: all pulls are anonymous. */
  readonly credentials?: CredentialLookup;
  readonly limits?: Partial<TransferLimits>;
  /** Default: that of Node.js. A caller that must not reach some networks passes one that does not. */
  readonly fetch?: RegistryFetch;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

/** Finds images in registries. */
export interface Registry {
  /** An image that is pulled with one token and one look-up of credentials. Nothing is asked yet. */
  image(reference: ImageReference): ImageSource;
}

/** A client of OCI registries (OCI distribution specification, "Pull"). It keeps nothing open. */
export function openRegistry(settings: RegistrySettings = {}): Registry {
  const { mirrors = {}, plainHttp = [], limits, credentials = () => undefined } = settings;
  const transferLimits = { ...defaultTransferLimits, ...limits };
  const deps = {
    fetch: settings.fetch ?? fetch,
    clock: settings.clock ?? systemClock,
    random: settings.random ?? systemRandom,
    logger: settings.logger ?? silentLogger,
    credentials,
    limits: transferLimits,
    idleMs: transferLimits.idleMs,
  };
  return {
    image: (reference) =>
      new RegistryImage(reference, endpointsOf(reference.registry, { mirrors, plainHttp }), deps),
  };
}
