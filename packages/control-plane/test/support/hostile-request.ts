import { defined } from "@wrenn/core";
import fc from "fast-check";
import { escaped, oddHeaders, queries, segments, texts, types } from "./hostile-inputs.ts";
import type { RawRequest } from "./raw-request.ts";
import type { ServedRoute } from "./route-list.ts";
import { hostile, nearlyValidFor, validFor } from "./schema-arbitrary.ts";
import type { JsonSchema } from "./schema-arbitrary.ts";

/** Ids that segments of a path may stand for, drawn anew for each request. */
export type IdSource = (parameter: string) => readonly string[];

/** Requests for a route: as its schemas say, nearly so, or nothing like it. */
export function requestsFor(route: ServedRoute, ids: IdSource): fc.Arbitrary<Omit<RawRequest, "from">> {
  const parts = fc.record({
    path: pathFor(route.url, ids),
    query: queryFor(schemaOf(route.schema.querystring)),
    body: bodyFor(route),
    headers: oddHeaders,
  });
  return parts.map(({ path, query, body, headers }) => ({
    method: route.method,
    path: path + query,
    headers: { ...headers, ...defined({ "content-type": body.type }) },
    ...defined({ body: body.bytes }),
  }));
}

function schemaOf(schema: unknown): JsonSchema | undefined {
  return typeof schema === "object" && schema !== null ? schema : undefined;
}

function pathFor(url: string, ids: IdSource): fc.Arbitrary<string> {
  const pieces = url.split("/").map((piece) => {
    if (!piece.startsWith(":") && piece !== "*") return fc.constant(piece);
    const known = fc
      .nat()
      .map((at) => encodeURIComponent(ids(piece.slice(1)).at(at % ids(piece.slice(1)).length) ?? ""));
    return fc.oneof({ weight: 4, arbitrary: known }, { weight: 1, arbitrary: segments });
  });
  return fc.tuple(...pieces).map((all) => all.join("/"));
}

function queryFor(schema: JsonSchema | undefined): fc.Arbitrary<string> {
  const plain = fc.constant("");
  if (!schema) return fc.oneof({ weight: 9, arbitrary: plain }, { weight: 1, arbitrary: queries });
  return fc.oneof(
    { weight: 4, arbitrary: validFor(schema).map(asQuery) },
    { weight: 4, arbitrary: nearlyValidFor(schema).map(asQuery) },
    { weight: 1, arbitrary: queries },
  );
}

function asQuery(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  const pairs = Object.entries(value).map(
    ([name, one]) => `${escaped(name)}=${escaped(typeof one === "string" ? one : JSON.stringify(one))}`,
  );
  return `?${pairs.join("&")}`.slice(0, 15_000);
}

interface Body {
  readonly type?: string;
  readonly bytes?: string | Uint8Array;
}

function bodyFor({ method, schema: { body } }: ServedRoute): fc.Arbitrary<Body> {
  const none = fc.constant<Body>({});
  const odd = fc.record({ type: types, bytes: texts });
  if (method === "GET" || method === "HEAD") return none;
  const schema = schemaOf(body);
  if (!schema) return fc.oneof({ weight: 2, arbitrary: none }, { weight: 1, arbitrary: odd });
  const json = (value: unknown): Body => ({ type: "application/json", bytes: JSON.stringify(value) });
  return fc.oneof(
    { weight: 6, arbitrary: validFor(schema).map(json) },
    { weight: 6, arbitrary: nearlyValidFor(schema).map(json) },
    { weight: 2, arbitrary: hostile.map(json) },
    { weight: 2, arbitrary: texts.map((bytes): Body => ({ type: "application/json", bytes })) },
    { weight: 1, arbitrary: odd },
  );
}
