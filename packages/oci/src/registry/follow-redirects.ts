import { discardBody } from "./read-body.ts";
import { TransferError, transferErrorOf } from "./transfer-error.ts";

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export type RegistryFetch = typeof fetch;

export interface RequestHeaders {
  readonly authorization?: string;
  readonly accept?: string;
  readonly range?: string;
}

export interface Answer {
  readonly response: Response;
  /** Whether the answer is from the origin that was asked. */
  readonly isSameOrigin: boolean;
}

/**
 * Sends a GET and follows redirects. Authorization is for the origin that was asked: on the way to another one it is dropped, and does
 * not come back. Storage that a registry redirects to has its credentials in the address.
 *
 * @throws TransferError when there is no answer, or a redirect leads nowhere or from HTTPS to HTTP; the signal's reason.
 */
export async function followRedirects(
  fetch: RegistryFetch,
  start: URL,
  headers: RequestHeaders,
  signal: AbortSignal,
): Promise<Answer> {
  let url = start;
  // Contents are verified as they are stored, so that no encoding of the transfer may come between.
  const sent: Record<string, string> = { ...headers, "accept-encoding": "identity" };
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    let response: Response;
    try {
      response = await fetch(url, { headers: sent, redirect: "manual", signal });
    } catch (error) {
      throw signal.aborted ? signal.reason : transferErrorOf(error);
    }
    if (!REDIRECTS.has(response.status)) return { response, isSameOrigin: url.origin === start.origin };
    await discardBody(response);
    const next = locationOf(response, url);
    if (next.origin !== url.origin) delete sent["authorization"];
    url = next;
  }
  throw new TransferError(`it redirects more than ${MAX_REDIRECTS} times`);
}

function locationOf(response: Response, url: URL): URL {
  const location = response.headers.get("location");
  const next = location === null ? null : URL.parse(location, url);
  if (next === null || !/^https?:$/.test(next.protocol))
    throw new TransferError("it redirects to no address");
  if (url.protocol === "https:" && next.protocol !== "https:")
    throw new TransferError("it redirects from HTTPS to plain HTTP");
  // fetch rejects addresses with credentials; those in a redirect are not the user's.
  next.username = "";
  next.password = "";
  return next;
}
