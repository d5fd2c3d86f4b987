import { boundedJson, defined, problemOf, withDeadline, WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";

const DEFAULT_ANSWER_MS = 10_000;
/** Key sets and profiles are a few KiB. */
const MAX_BYTES = 256 * 1024;

const Refusal = Type.Object({ error: Type.String({ pattern: "^[a-z_]{1,64}$" }) });

export interface ProviderRequest {
  /** For errors. */
  readonly provider: string;
  readonly url: string;
  /** Milliseconds for the whole answer. */
  readonly answerMs: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as a form by POST. */
  readonly form?: Readonly<Record<string, string>> | URLSearchParams;
}

/**
 * JSON of a provider. Its address is the operator's choice and may be in a private network; its answers are bounded in time
 * and size all the same, and redirects are not followed, so that secrets go nowhere else.
 *
 * @returns the fields of the shape only: providers add others, some of them malformed.
 * @throws WrennError `provider_failed`, which carries nothing of what was sent or answered but the host, the status and the error code.
 */
export async function requestJson<S extends TSchema>(
  request: ProviderRequest,
  shape: S,
  signal: AbortSignal,
): Promise<Static<S>> {
  const { provider, url, headers, form, answerMs = DEFAULT_ANSWER_MS } = request;
  const failed = (problem: string, cause?: unknown): WrennError =>
    new WrennError("provider_failed", { provider, problem: `${new URL(url).host} ${problem}` }, { cause });
  let status: number;
  let json: unknown;
  try {
    [status, json] = await withDeadline("its answer", answerMs, signal, async (within) => {
      const response = await fetch(url, {
        method: form ? "POST" : "GET",
        headers: { accept: "application/json", "user-agent": "wrenn", ...headers },
        ...defined({ body: form && new URLSearchParams(form) }),
        redirect: "manual",
        signal: within,
      });
      return [response.status, await boundedJson(response, MAX_BYTES)] as const;
    });
  } catch (error) {
    throw failed(`does not answer: ${problemOf(error)}`, error);
  }
  if (status !== 200) throw failed(`answered ${status}${refusalOf(json)}`);
  if (json === undefined) throw failed("answered no JSON");
  const fields = Value.Clean(shape, json);
  if (!Value.Check(shape, fields)) throw failed("answered something else than was asked for");
  return fields;
}

/** The error code of a refusal (RFC 6749 §5.2), which is a word; its description may be anything. */
export function refusalOf(json: unknown): string {
  return Value.Check(Refusal, json) ? ` (${json.error})` : "";
}
