import type { IncomingMessage } from "node:http";
import { WrennError } from "@wrenn/core";
import type { AnswerBounds } from "../wire/answer-bounds.ts";
import { damaged, errorFromWire } from "../wire/link-error.ts";
import { decodeValue } from "../wire/values.ts";
import type { AnswerBudget } from "./answer-budget.ts";
import { unavailable } from "./transport.ts";

export interface AnswerReading {
  readonly signal: AbortSignal;
  readonly bounds: AnswerBounds;
  readonly budget: AnswerBudget;
  /** How long the body may take once the answer has begun: a host sends it at once. */
  readonly bodyMs: number;
}

/**
 * The value of an answer, of bounded length and in bounded time.
 *
 * @throws the error that the answer reports; WrennError `host_unavailable`, `operation_failed`; the signal's reason.
 */
export async function readAnswer(response: IncomingMessage, reading: AnswerReading): Promise<unknown> {
  const bytes = await readBody(response, reading);
  let answer: unknown;
  try {
    answer = decodeValue(bytes, reading.bounds);
  } catch (error) {
    throw new WrennError("host_unavailable", {}, { cause: error });
  }
  if (typeof answer !== "object" || answer === null) throw damaged("an answer of another shape");
  if (response.statusCode === 200) return "value" in answer ? answer.value : undefined;
  throw errorFromWire("error" in answer ? answer.error : undefined);
}

async function readBody(response: IncomingMessage, reading: AnswerReading): Promise<Buffer> {
  const { signal, bounds, budget, bodyMs } = reading;
  const share = budget.begin();
  const late = setTimeout(
    () => response.destroy(new Error(`the answer did not end within ${bodyMs} ms`)),
    bodyMs,
  );
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > bounds.bytes) throw damaged("an answer that is too long");
      share.take(part.length);
      parts.push(part);
    }
    return Buffer.concat(parts, length);
  } catch (error) {
    signal.throwIfAborted();
    throw unavailable(error);
  } finally {
    clearTimeout(late);
    share.end();
  }
}
