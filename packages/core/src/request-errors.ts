import { user } from "./catalogue-entry.ts";
import type { CatalogueEntry } from "./catalogue-entry.ts";

/** A request that cannot be read as one. */
export const requestErrors = {
  invalid_json: user(
    "invalid_request",
    400,
    "invalid JSON body",
    "Send a JSON object with Content-Type: application/json.",
  ),
  invalid_field: user(
    "invalid_request",
    400,
    "invalid request: {field} {problem}",
    "Correct the named field; its type and bounds are in the API reference at /docs.",
  ),
  invalid_id: user(
    "invalid_request",
    400,
    "invalid {noun} ID",
    "An id of this kind is '{prefix}' followed by 25 characters of 0-9 and a-z.",
  ),
  body_too_large: user(
    "too_large",
    413,
    "request body is larger than {limit} bytes",
    "Send less, or use a streaming endpoint.",
  ),
  unsupported_media_type: user(
    "invalid_request",
    415,
    "content type {type} is not accepted here, only {accepted}",
    "Send the content type that is named.",
  ),
  unsupported_content_encoding: user(
    "invalid_request",
    415,
    "content encoding {coding} is not accepted here",
    "Send the body as it is, without Content-Encoding.",
  ),
  multipart_expected: user(
    "invalid_request",
    400,
    "expected multipart/form-data with boundary",
    "Send a form with the fields path and file, or use PUT files/content.",
  ),
  multipart_invalid: user(
    "invalid_request",
    400,
    "failed to parse multipart: {problem}",
    "Send a well-formed and complete multipart body.",
  ),
  form_field_missing: user(
    "invalid_request",
    400,
    "{field} field is required",
    "Send the text field path first and then the file field file.",
  ),
  content_digest_mismatch: user(
    "invalid_request",
    400,
    "the content does not match its Content-Digest; it has sha-256=:{actual}:",
    "Send the content again; the old file was kept.",
  ),
  body_stalled: user(
    "invalid_request",
    408,
    "too little of the body arrived within {seconds} seconds",
    "Send the request again; a resumable upload continues at its offset.",
  ),
  connections_full: user(
    "rate_limited",
    429,
    "{limit} connections of this team are in use already",
    "Use connections again for further requests, and close those that are not used.",
    1,
  ),
  address_in_use: user(
    "conflict",
    409,
    "another program listens on {address}",
    "End that program, or let the server listen elsewhere with --listen or WRENN_LISTEN.",
  ),
  precondition_failed: user(
    "conflict",
    412,
    "{path} is not the version that the request expects",
    "Read the file's current entity tag and repeat the request with it.",
  ),
  range_not_satisfiable: user(
    "invalid_request",
    416,
    "the range is outside of the file's {size} bytes",
    "Ask for a range inside of the file.",
  ),
  request_refused: user(
    "invalid_request",
    400,
    "the request cannot be answered: {problem}",
    "Leave out headers and parts of the path that /docs does not name.",
  ),
  url_invalid: user(
    "invalid_request",
    400,
    "the path is not a valid one",
    "Escape each byte that is no letter or digit as %XX, in UTF-8.",
  ),
  path_too_long: user(
    "invalid_request",
    414,
    "a part of the path is too long",
    "Use the id or name that the API gave; none is longer than 128 characters.",
  ),
  route_not_found: user(
    "not_found",
    404,
    "no route {method} {path}",
    "See /docs for every route. Ports are served below /proxy/ with WRENN_PATH_PORTS=on and on its host name only.",
  ),
  client_not_packed: user(
    "not_found",
    404,
    "{file} is not packed on this server",
    "Ask its operator to start it by ./wrenn up, which packs it.",
  ),
  method_not_allowed: user("method_not_allowed", 405, "{path} has no {method}", "Use one of {allowed}."),
} satisfies Record<string, CatalogueEntry>;
