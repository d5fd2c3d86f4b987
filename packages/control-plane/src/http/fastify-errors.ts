import { STATUS_CODES } from "node:http";
import { WrennError } from "@wrenn/core";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { unsupportedType } from "./json-bodies.ts";

/** The catalogue's error for what Fastify found wrong with a request before a route saw it; other errors as they are. */
export function fromFastify(error: unknown, request: FastifyRequest): unknown {
  if (error instanceof WrennError || !(error instanceof Error)) return error;
  const { code, validation, validationContext } = error as FastifyError;
  if (validation && validationContext === "body" && request.body === undefined) return absentBody(request);
  if (validation) return invalidField(validation, validationContext);
  switch (code) {
    case "FST_ERR_CTP_INVALID_JSON_BODY":
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new WrennError("invalid_json", {}, { cause: error });
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new WrennError("body_too_large", { limit: request.routeOptions.bodyLimit }, { cause: error });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return unsupportedType(request.headers["content-type"]);
    default:
      return error instanceof SyntaxError
        ? new WrennError("invalid_json", {}, { cause: error })
        : ofPlugin(error);
  }
}

/** What a plugin found wrong with a request; of its text nothing is told. */
function ofPlugin(error: Error & { readonly statusCode?: number }): Error {
  const { statusCode = 500 } = error;
  if (statusCode < 400 || statusCode >= 500) return error;
  const problem = STATUS_CODES[statusCode] ?? "Bad Request";
  return new WrennError("request_refused", { problem }, { cause: error });
}

/** Names the first field that the route needs, or the body itself. */
function absentBody({ routeOptions }: FastifyRequest): WrennError {
  const { body } = routeOptions.schema ?? {};
  const required =
    typeof body === "object" && body !== null && "required" in body && Array.isArray(body.required)
      ? body.required
      : [];
  return new WrennError("invalid_field", { field: String(required[0] ?? "body"), problem: "is required" });
}

/** Names the field: "vcpus must be integer", "body must be object", "intent must be one of \"a\", \"b\"". */
function invalidField(
  validation: NonNullable<FastifyError["validation"]>,
  context: string | undefined,
): WrennError {
  const [first] = validation;
  const path = first?.instancePath.slice(1).replaceAll("/", ".") ?? "";
  const missing = first?.params["missingProperty"];
  const required = first?.params["requiredProperties"];
  const absent =
    typeof missing === "string" ? missing : Array.isArray(required) ? String(required[0]) : undefined;
  const field = path === "" ? (absent ?? context ?? "body") : path;
  return new WrennError("invalid_field", {
    field,
    problem:
      absent === undefined ? (allowedValues(validation) ?? first?.message ?? "is not valid") : "is required",
  });
}

/** What a field that has closed values may be; undefined where it is another rule that was broken. */
function allowedValues(validation: NonNullable<FastifyError["validation"]>): string | undefined {
  const [first] = validation;
  if (first?.keyword !== "const") return undefined;
  const values = validation
    .filter(({ keyword, instancePath }) => keyword === "const" && instancePath === first.instancePath)
    .map(({ params }) => JSON.stringify(params["allowedValue"]));
  return values.length === 1 ? `must be ${values[0]}` : `must be one of ${values.join(", ")}`;
}

/** Answers what the router finds no route for, because of how the path is written, as every other refusal. */
export function refusePath(
  refusal: (error: WrennError, request: FastifyRequest) => { readonly status: number; readonly body: object },
): (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const known =
      error.code === "FST_ERR_MAX_PARAM_LENGTH"
        ? new WrennError("path_too_long", {}, { cause: error })
        : new WrennError("url_invalid", {}, { cause: error });
    const { status, body } = refusal(known, request);
    // Hooks have not run: this is before there is a route.
    void reply
      .status(status)
      .headers({ "x-request-id": request.id, "content-type": "application/json; charset=utf-8" })
      .send(JSON.stringify(body));
  };
}
