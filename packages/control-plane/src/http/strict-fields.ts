import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";
import type { App } from "./app.ts";
import { withoutAbsent } from "./absent-values.ts";
import { listedFields } from "./listed-fields.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route serves pages and their files: their addresses may carry anything in the query. */
    isPage?: boolean;
  }
}

/** What an answer says about the preference that it honoured (RFC 7240 §3). */
const APPLIED = "handling=strict";
/** Routes without a list of fields have none. */
const NO_FIELDS = { properties: {} };

/**
 * Removes what a route does not list from bodies and queries before the route sees them, nested fields included: a handler can write
 * nothing that is not listed. Routes refuse such a request; lenient ones refuse it when the client prefers that.
 */
export function removeUnlistedFields(app: App, isLenient: (method: string, url: string) => boolean): void {
  app.addHook("preValidation", async (request, reply) => {
    const { schema, url, config } = request.routeOptions;
    if (url === undefined || config.isPage === true) return;
    const isStrict = prefersStrict(request.headers);
    if (isStrict) void reply.header("preference-applied", APPLIED);
    const ignores = isLenient(request.method, url);
    const refuses = isStrict || !ignores;
    request.query = listedOrRefused(schema?.querystring ?? NO_FIELDS, request.query, refuses);
    const body = ignores ? withoutAbsent(schema?.body, request.body) : request.body;
    request.body = listedOrRefused(schema?.body ?? NO_FIELDS, body, refuses);
  });
}

/** Whether a client wants fields that a route does not know refused (RFC 7240 §4.4). */
export function prefersStrict({ prefer }: IncomingHttpHeaders): boolean {
  if (prefer === undefined) return false;
  return [prefer]
    .flat()
    .join(",")
    .split(",")
    .some((preference) => /^handling\s*=\s*"?strict"?$/i.test((preference.split(";")[0] ?? "").trim()));
}

/** A value with the fields that its schema lists. @throws WrennError `invalid_field` for others, when they are refused. */
export function listedOrRefused(schema: unknown, value: unknown, refuses: boolean): unknown {
  const { listed, unlisted } = listedFields(schema, value);
  if (refuses && unlisted !== undefined)
    throw new WrennError("invalid_field", { field: unlisted, problem: "is not known here" });
  return listed;
}
