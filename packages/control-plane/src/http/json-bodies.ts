import type { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import { IsOptional } from "typebox";
import type { App } from "./app.ts";

const JSON_TYPE = "application/json";

/**
 * Reads bodies as JSON. A body without content is no body, whatever type and coding its headers name (RFC 9110 §8.3): clients that
 * send one `Content-Type` with every request can call routes that take no body, or for which it is `Type.Optional`. Content of another
 * type or coding is refused.
 */
export function acceptJsonBodies(app: App): void {
  const parse = app.getDefaultJsonParser("error", "error");
  const malformedTypes = new WeakMap<object, string>();
  // Fastify refuses a malformed type before it looks for content. Without the header the rules below decide.
  app.addHook("onRequest", async ({ headers, mediaType, raw }) => {
    const { "content-type": type } = headers;
    if (type === undefined || mediaType !== undefined) return;
    malformedTypes.set(raw, type);
    delete headers["content-type"];
  });
  app.removeContentTypeParser([JSON_TYPE, "text/plain"]);
  app.addContentTypeParser<string>(JSON_TYPE, { parseAs: "string" }, (request, body, done) => {
    const { "content-encoding": coding = "identity" } = request.headers;
    if (body === "") done(null, undefined);
    else if (coding.toLowerCase() !== "identity")
      done(new WrennError("unsupported_content_encoding", { coding: shown(coding) }));
    else void parse(request, body, done);
  });
  app.addContentTypeParser("*", (request, content, done) => {
    // An unknown path is 404, whatever is sent to it.
    if (request.is404) done(null);
    else refuseContent(content, request.headers["content-type"] ?? malformedTypes.get(request.raw), done);
  });
  app.addHook("preValidation", async (request) => {
    if (request.body === undefined && IsOptional(request.routeOptions.schema?.body)) request.body = {};
  });
}

/** The refusal of a body that is not JSON. */
export function unsupportedType(type: string | undefined): WrennError {
  return new WrennError("unsupported_media_type", {
    type: type === undefined ? "(none)" : shown(type),
    accepted: JSON_TYPE,
  });
}

/** Accepts an empty body only; the rest of another one is discarded. */
function refuseContent(
  content: Readable,
  type: string | undefined,
  done: (error: Error | null, body?: undefined) => void,
): void {
  const settle = (error: Error | null): void => {
    content.off("data", onData).off("end", onEnd).off("error", settle);
    done(error);
  };
  const onData = (): void => settle(unsupportedType(type));
  const onEnd = (): void => settle(null);
  content.on("data", onData).on("end", onEnd).on("error", settle);
}

/** As much of a header as a message can name. */
function shown(header: string): string {
  return header.slice(0, 100);
}
