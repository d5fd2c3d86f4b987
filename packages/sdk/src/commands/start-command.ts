import { isWrennError, WrennError } from "../errors/wrenn-error.ts";
import { sleep } from "../transport/abort.ts";
import { problemOf } from "../transport/answer.ts";
import { backoffMs } from "../transport/retry.ts";
import type { ProcessApi } from "./process-api.ts";
import type { ExecAnswer, ExecBody } from "./wire.ts";

/** What the runtimes call errors of connections that were never made, so that no request was sent. */
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ConnectionRefused"]);

/**
 * Starts a command exactly once, also when the connection breaks before the answer: its tag tells whether the server started it.
 *
 * @param answerMs - within this the server answers.
 * @returns the answer; without the command's output, if it had to be found again.
 * @throws WrennError of the server's refusal; `connection_failed`; `stream_lost` when it does not become known whether the command
 * runs; the signal's reason: the command may run then.
 */
export async function startCommand(
  api: ProcessApi,
  body: ExecBody,
  answerMs: number,
  signal: AbortSignal,
): Promise<ExecAnswer> {
  const { settings } = api.http;
  let isUncertain = false;
  let isBroken = false;
  let brokenSince: number | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      const known = isUncertain ? await findStarted(api, body.tag, signal) : undefined;
      if (known) return known;
      return await api.exec(body, { timeoutMs: answerMs, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof WrennError)) throw error;
      // That a tag is taken can mean that the request that was thought to be lost was carried out.
      if (!error.isRetryable && !(isUncertain && isTaken(error))) throw error;
      isBroken ||= isWithoutAnswer(error);
      isUncertain ||= isBroken || (error.status ?? 0) >= 500;
      brokenSince ??= performance.now();
      if (isBroken && performance.now() - brokenSince >= settings.resumeMs)
        throw uncertain(body.tag, settings.resumeMs, error);
      if (!isBroken && attempt > settings.retries) throw error;
      const delayMs = backoffMs(attempt, error.retryAfterMs);
      settings.onRetry?.({ method: "POST", path: api.execPath, attempt, delayMs, error });
      await sleep(delayMs, signal);
    }
  }
}

async function findStarted(
  api: ProcessApi,
  tag: string,
  signal: AbortSignal,
): Promise<ExecAnswer | undefined> {
  try {
    const { pid } = await api.get(tag, { signal, isSafeToRepeat: false });
    return { pid, tag };
  } catch (error) {
    if (isWrennError(error, "process_not_found")) return undefined;
    throw error;
  }
}

function isTaken(error: WrennError): boolean {
  return isWrennError(error, "tag_in_use") || isWrennError(error, "tag_used");
}

/** Whether the request was sent, and nothing of the server came back. */
function isWithoutAnswer(error: WrennError): boolean {
  if (error.status !== undefined) return error.code === "invalid_answer";
  for (let cause: unknown = error; cause instanceof Error; { cause } = cause) {
    const { code } = cause as { readonly code?: unknown };
    if (typeof code === "string" && NOT_SENT.has(code)) return false;
  }
  return true;
}

function uncertain(tag: string, resumeMs: number, cause: WrennError): WrennError {
  return new WrennError(
    {
      code: "stream_lost",
      message: `the connection broke while command ${tag} was started, and could not be restored for ${resumeMs} ms: ${problemOf(cause)}`,
      remedy: `Check that the server runs and can be reached. Whether the command runs is found by commands.get('${tag}').`,
      requestId: cause.requestId,
      details: { tag },
    },
    { cause },
  );
}
