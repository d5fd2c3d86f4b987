import type { ServerResponse } from "node:http";
import { defined, WrennError } from "@wrenn/core";
import { answerError } from "@wrenn/edge";
import { isGone } from "../envd/gone.ts";

const BAD_REQUEST = 400;

/** What a request was for that is refused. */
export interface RefusedTarget {
  readonly sandboxId: string;
  /** Of a service that was not reached. */
  readonly port?: number | undefined;
}

/** Answers a request whose target cannot be read. */
export function answerBadTarget(response: ServerResponse, problem: string): void {
  response.writeHead(BAD_REQUEST, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(problem),
  });
  response.end(problem);
}

/**
 * Answers a request that reached neither the agent nor a service: a page for the navigations of browsers, and what clients know for
 * programs. A sandbox that cannot be reached, or that ended in the meantime, is one that does not exist.
 */
export function answerRefusal(
  response: ServerResponse,
  { sandboxId, port }: RefusedTarget,
  error: WrennError,
  requestId: string,
): void {
  if (isGone(error)) {
    const missing = new WrennError("sandbox_not_found", {}, { cause: error });
    answerRefusal(response, { sandboxId }, missing, requestId);
    return;
  }
  const { message, entry } = error;
  const json = { sandboxId, message, ...defined({ port }), code: entry.status };
  answerError(response.req, response, error, requestId, json);
}

/** The error that clients get for one of a port of a sandbox. */
export function errorOfPort(error: WrennError, sandboxId: string): WrennError {
  return WrennError.is(error, "port_draining")
    ? new WrennError("sandbox_in_transition", { sandbox: sandboxId }, { cause: error })
    : error;
}
