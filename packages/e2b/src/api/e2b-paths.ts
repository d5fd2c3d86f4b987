import { hostNameOf } from "@wrenn/edge";

/** First parts of the paths of the API, also below `/v2` and `/v3`; none of them is a path of the platform's own API or its pages. */
const PATH =
  /^(?:\/v[23])?\/(?:sandboxes|templates|snapshots|teams|api-keys|access-tokens|volumes|volumecontent|secrets|nodes|admin|e2b-files|e2b-oauth)(?:[/?]|$)/;

/** Where the platform's own API lies, under every name of the server. */
const OWN = "/v1/";

/**
 * Whether a request is for this API: by its path, or because it comes to the host that clients derive from their domain.
 *
 * @param target - raw request target.
 * @param apiHost - `api.` and the domain; requests to it are for this API, except for the platform's own paths. Undefined where the platform itself has that name.
 */
export function isE2bRequest(target: string, host: string, apiHost: string | undefined): boolean {
  if (PATH.test(target)) return true;
  return apiHost !== undefined && hostNameOf(host) === apiHost && !target.startsWith(OWN);
}
