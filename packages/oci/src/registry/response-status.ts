import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { Answer } from "./follow-redirects.ts";
import { discardBody } from "./read-body.ts";
import { retryAfterOf } from "./retry.ts";
import { TransferError } from "./transfer-error.ts";

export interface AskedFor {
  readonly clock: Clock;
  readonly registry: string;
  /** What errors say was not found. */
  readonly image: string;
}

/**
 * Passes answers with contents, and those that a part of a blob is not available: the caller compares what it asked for.
 *
 * @throws WrennError `image_not_found`, `image_access_denied` or `registry_unreachable`; TransferError where asking again may help.
 */
export async function checkStatus(
  { response, isSameOrigin }: Answer,
  { clock, registry, image }: AskedFor,
): Promise<void> {
  const { status } = response;
  if (status === 200 || status === 206 || status === 416) return;
  await discardBody(response);
  const retryAfterMs = retryAfterOf(response.headers.get("retry-after"), clock.now());
  if (status === 429) throw new TransferError("it limits requests", { isRateLimit: true, retryAfterMs });
  // Storage refuses addresses whose signature has ended. The registry gives a new one.
  if (status === 408 || status >= 500 || !isSameOrigin)
    throw new TransferError(`it answers with status ${status}`, { retryAfterMs });
  if (status === 404) throw new WrennError("image_not_found", { image });
  if (status === 401 || status === 403) throw new WrennError("image_access_denied", { registry, image });
  throw new WrennError("registry_unreachable", { registry, problem: `it answers with status ${status}` });
}
