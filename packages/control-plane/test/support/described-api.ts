import assert from "node:assert/strict";
import type { ApiDocument, ApiOperation, ApiResponse, ApiSchema } from "../../src/openapi/api-document.ts";
import { Check, Errors } from "typebox/schema";
import type { RawAnswer } from "./raw-request.ts";
import type { ServedRoute } from "./route-list.ts";

/** What a server answered, as any client sees it. */
export interface SeenAnswer {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

interface Described {
  readonly route: ServedRoute;
  readonly operation: ApiOperation;
}

/** Routes and answers as the description of the API has them; nothing is known here that is not in it. */
export class DescribedApi {
  readonly #document: ApiDocument;
  readonly #operations: readonly (Described & { readonly pattern: RegExp })[];

  constructor(document: ApiDocument) {
    this.#document = document;
    this.#operations = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([, operation]) => operation["x-websocket"] === undefined)
        .map(([method, operation]) => ({
          route: this.#route(method.toUpperCase(), path, operation),
          operation,
          pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
        })),
    );
  }

  /** Every operation but those of WebSockets, in the form in which tests draw requests for it. */
  routes(): readonly Described[] {
    return this.#operations;
  }

  /** The operation that a request is for; literal segments come before parameters. */
  find(method: string, path: string): ApiOperation | undefined {
    const name = path.split("?")[0] ?? "";
    const fitting = this.#operations.filter(
      ({ route, pattern }) => route.method === method && pattern.test(name),
    );
    const parameters = (url: string): number => url.split(":").length;
    return fitting.toSorted((one, other) => parameters(one.route.url) - parameters(other.route.url))[0]
      ?.operation;
  }

  /** What an answer has that its operation does not describe; empty when everything is described. */
  undescribed(operation: ApiOperation, { status, type, text }: SeenAnswer): readonly string[] {
    const response = this.#response(operation, status);
    if (!response) return [`status ${status} is not described`];
    const media = type?.split(";")[0]?.trim();
    if (text === "") return [];
    const { schema } = response.content?.[media ?? ""] ?? {};
    if (!schema) return [`type ${media} is not described for ${status}`];
    if (media !== "application/json") return [];
    return this.problems(schema, JSON.parse(text));
  }

  /** The same for a route of the server; what found another route, or none, says nothing about it. */
  undescribedOf(
    { method, url }: Pick<ServedRoute, "method" | "url">,
    { status, headers, text }: RawAnswer,
  ): readonly string[] {
    const isElsewhere = /"reason":"(route_not_found|method_not_allowed|url_invalid|path_too_long)"/.test(
      text.slice(0, 1000),
    );
    const operation = this.#operations.find(
      ({ route }) => route.method === method && route.url === url,
    )?.operation;
    if (!operation || isElsewhere) return [];
    const { "content-type": type } = headers;
    return this.undescribed(operation, { status, type: type === undefined ? undefined : String(type), text });
  }

  /** What is wrong with a value, or not described of it. */
  problems(schema: ApiSchema, value: unknown): readonly string[] {
    const whole = this.resolve(schema);
    if (!Check(whole, value))
      return Errors(whole, value)[1].map(({ instancePath, message }) => `${instancePath} ${message}`);
    return unlisted(whole, value, "");
  }

  /** A schema without references. */
  resolve(schema: ApiSchema): ApiSchema {
    return this.#resolved(schema) as ApiSchema;
  }

  #resolved(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#resolved(one));
    if (typeof value !== "object" || value === null) return value;
    if ("$ref" in value && typeof value.$ref === "string") return this.#resolved(this.#component(value.$ref));
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.#resolved(one)]));
  }

  #component(reference: string): unknown {
    const found = reference
      .split("/")
      .slice(1)
      .reduce<unknown>(
        (at, step) => (at as Readonly<Record<string, unknown>> | undefined)?.[step],
        this.#document,
      );
    return found ?? assert.fail(`nothing at ${reference}`);
  }

  #response({ responses }: ApiOperation, status: number): ApiResponse | undefined {
    const response = responses[status];
    if (!response) return undefined;
    return "$ref" in response ? (this.#component(response.$ref) as ApiResponse) : response;
  }

  #route(method: string, path: string, operation: ApiOperation): ServedRoute {
    // A request with it has an answer without an end.
    const query = (operation.parameters ?? []).filter((one) => one.in === "query" && one.name !== "follow");
    const body = operation.requestBody?.content["application/json"]?.schema;
    return {
      method,
      url: path.replaceAll(/\{(\w+)\}/g, ":$1"),
      schema: {
        ...(query.length > 0 && {
          querystring: {
            type: "object",
            required: query.filter(({ required }) => required).map(({ name }) => name),
            properties: Object.fromEntries(query.map(({ name, schema }) => [name, this.resolve(schema)])),
          },
        }),
        ...(body && { body: this.resolve(body) }),
      },
    };
  }
}

/** Fields that no part of a schema lists. */
function unlisted(schema: ApiSchema, value: unknown, at: string): readonly string[] {
  if (Array.isArray(value))
    return schema.items === undefined
      ? []
      : value.flatMap((one, index) => unlisted(schema.items ?? {}, one, `${at}/${index}`));
  if (typeof value !== "object" || value === null) return [];
  const choices = schema.anyOf?.filter((choice) => Check(choice, value));
  if (choices)
    return (
      choices
        .map((choice) => unlisted(choice, value, at))
        .toSorted((one, other) => one.length - other.length)[0] ?? []
    );
  const properties = propertiesOf(schema);
  const isOpen = [schema, ...(schema.allOf ?? [])].some(
    ({ additionalProperties, patternProperties }) =>
      patternProperties !== undefined ||
      (additionalProperties !== undefined && additionalProperties !== false),
  );
  return Object.entries(value).flatMap(([name, one]) => {
    const of = properties[name];
    if (of) return unlisted(of, one, `${at}/${name}`);
    return isOpen ? [] : [`${at}/${name} is not described`];
  });
}

function propertiesOf({ properties = {}, allOf = [] }: ApiSchema): Readonly<Record<string, ApiSchema>> {
  const merged: Record<string, ApiSchema> = {};
  for (const part of [...allOf.map(propertiesOf), properties])
    for (const [name, schema] of Object.entries(part)) {
      const before = merged[name];
      merged[name] = before ? { allOf: [before, schema] } : schema;
    }
  return merged;
}
