import { WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { toWire } from "./envelope.ts";

/** Answers what the router finds no route for, because of how the path is written, as every other refusal. */
export function refusePath(
  logger: Logger,
): (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const known =
      error.code === "FST_ERR_MAX_PARAM_LENGTH"
        ? new WrennError("path_too_long", {}, { cause: error })
        : new WrennError("url_invalid", {}, { cause: error });
    const { status, body } = toWire(known, request.id, logger);
    // Hooks have not run: this is before there is a route.
    void reply
      .status(status)
      .headers({ "x-request-id": request.id, "content-type": "application/json; charset=utf-8" })
      .send(JSON.stringify(body));
  };
}
