import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";
import { isPlain, unsupportedCoding } from "../http/json-bodies.ts";

/**
 * Refuses an upload whose body is not what its file is to have: a coding of it, or a part (RFC 9110 §14.5). Neither would be decoded or
 * put into its place.
 *
 * @throws WrennError `unsupported_content_encoding`; `invalid_field` for `Content-Range`.
 */
export function requirePlainContent(request: { readonly headers: IncomingHttpHeaders }): void {
  // No content is in no coding, whatever the headers say.
  if (!isPlain(request) && request.headers["content-length"] !== "0") throw unsupportedCoding(request);
  if (request.headers["content-range"] !== undefined)
    throw new WrennError("invalid_field", {
      field: "Content-Range",
      problem: "is not supported: the body is the whole file. Resumable uploads take parts",
    });
}
