import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";
import { IsOptional } from "typebox";
import type { App } from "./app.ts";

const JSON_TYPE = "application/json";
/** Pages of other origins can send forms without a preflight. */
const FORM = /^(?:application\/x-www-form-urlencoded|multipart\/)/i;

/**
 * Reads bodies as JSON. A body without content is no body, whatever type and coding its headers name (RFC 9110 §8.3): clients that
 * send one `Content-Type` with every request can call routes that take no body, or for which it is `Type.Optional`. Content is JSON
 * whatever its type says, except that of forms; content that is not JSON is refused by its type, and a coding by its name.
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
    if (body === "") done(null, undefined);
    else if (!isPlain(request)) done(unsupportedCoding(request));
    else void parse(request, body, done);
  });
  // Clients of the contract send JSON under any type.
  app.addContentTypeParser<string>("*", { parseAs: "string" }, (request, body, done) => {
    const type = request.headers["content-type"] ?? malformedTypes.get(request.raw);
    // An unknown path is 404, whatever is sent to it.
    if (request.is404 || body === "") done(null, undefined);
    else if (FORM.test(type ?? "")) done(unsupportedType(type));
    else if (!isPlain(request)) done(unsupportedCoding(request));
    else void parse(request, body, (error, value) => done(error ? unsupportedType(type) : null, value));
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

/** Whether a body is sent as it is, in no content coding. */
export function isPlain({ headers }: Pick<FastifyRequest, "headers">): boolean {
  return (headers["content-encoding"] ?? "identity").toLowerCase() === "identity";
}

/** The refusal of a body in a content coding. */
export function unsupportedCoding({ headers }: Pick<FastifyRequest, "headers">): WrennError {
  return new WrennError("unsupported_content_encoding", { coding: shown(headers["content-encoding"] ?? "") });
}

/** As much of a header as a message can name. */
function shown(header: string): string {
  return header.slice(0, 100);
}
