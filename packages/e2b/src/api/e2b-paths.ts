/** First parts of the paths of the API, also below `/v2` and `/v3`; none of them is a path of the platform's own API or its pages. */
const PATH =
  /^(?:\/v[23])?\/(?:sandboxes|templates|snapshots|teams|api-keys|access-tokens|volumes|volumecontent|secrets|nodes|admin|e2b-files)(?:[/?]|$)/;

/**
 * Whether a request is for this API: by its path, or because it comes to the host that clients derive from their domain.
 *
 * @param target - raw request target.
 * @param apiHost - `api.` and the domain; requests to it are all for this API.
 */
export function isE2bRequest(target: string, host: string, apiHost: string | undefined): boolean {
  const name = host.toLowerCase().replace(/:\d*$/, "");
  return PATH.test(target) || (apiHost !== undefined && name === apiHost);
}
