import { STATUS_CODES } from "node:http";
import { errorCatalogue } from "@wrenn/core";
import type { CatalogueEntry } from "@wrenn/core";
import type {
  ApiDocument,
  ApiOperation,
  ApiParameter,
  ApiResponse,
  ApiSchema,
} from "../../src/openapi/api-document.ts";
import { bodyErrors, commonErrors, credentialErrors, personErrors } from "../../src/openapi/route-errors.ts";
import { hostErrors } from "../../src/openapi/error-rules.ts";

/** What many operations may answer is listed once. */
const shared: ReadonlySet<string> = new Set([
  ...commonErrors,
  ...credentialErrors,
  ...personErrors,
  ...bodyErrors,
  "path_too_long",
  "foreign_page",
]);
const ofHosts: ReadonlySet<string> = new Set(hostErrors);
/** Base of the routes that exist a second time, for capsules of the platform. */
const ADMIN = "/v1/admin/capsules";

/** `docs/reference/api.md`: every operation of the description of the API, for people. */
export function renderApiReference(document: ApiDocument): string {
  return new ApiReference(document).render();
}

class ApiReference {
  readonly #document: ApiDocument;
  readonly #lines: string[] = [];

  constructor(document: ApiDocument) {
    this.#document = document;
  }

  render(): string {
    this.#add(
      "# API reference",
      "",
      "Generated from the description that the server gives at `/openapi.json`, by `npm run reference`; do not edit. The rules behind the operations are in [rest-api.md](rest-api.md) and [websocket-api.md](websocket-api.md).",
      "",
      "The examples take the address of the server from `$WRENN_URL` and a key from `$WRENN_API_KEY`. Operations for people take an access token, in `$WRENN_TOKEN`. A name in braces stands for an id, or for the name of a thing.",
      "",
      "## Contents",
      "",
    );
    const operations = this.#operations();
    const groups = this.#document.tags
      .map((tag) => ({ ...tag, own: operations.filter(({ operation }) => operation.tags?.[0] === tag.name) }))
      .filter(({ own }) => own.length > 0);
    for (const { name, description } of groups)
      this.#add(`- [${title(name)}](#${anchor(name)}): ${description}`);
    this.#add(
      "- [Objects](#objects): what bodies and answers have in common",
      "- [Errors of every operation](#errors-of-every-operation)",
      "- [Errors of hosts](#errors-of-hosts)",
    );
    for (const { name, description, own } of groups) {
      this.#add("", `## ${title(name)}`, "", `${description}.`);
      for (const one of own) this.#operation(one);
      if (name === "admin") this.#platformCapsules();
    }
    this.#objects();
    this.#commonErrors();
    return `${this.#lines.join("\n")}\n`;
  }

  #operations() {
    return Object.entries(this.#document.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([method]) => method !== "head" && !this.#isRepeated(path, method))
        .map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );
  }

  /** Whether an operation of the platform's capsules is described with those of a team. */
  #isRepeated(path: string, method: string): boolean {
    if (!path.startsWith(ADMIN)) return false;
    return this.#document.paths[path.replace(ADMIN, "/v1/capsules")]?.[method] !== undefined;
  }

  #platformCapsules(): void {
    const repeated = Object.entries(this.#document.paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => this.#isRepeated(path, method))
        .map((method) => `\`${method.toUpperCase()} ${path.slice(ADMIN.length) || "/"}\``),
    );
    this.#add(
      "",
      "### Capsules of the platform",
      "",
      `Below \`${ADMIN}\` these operations are as below \`/v1/capsules\`, for capsules of the platform's team: ${repeated.join(", ")}.`,
    );
  }

  #operation({
    path,
    method,
    operation,
  }: {
    readonly path: string;
    readonly method: string;
    readonly operation: ApiOperation;
  }): void {
    const { summary = "", description, parameters = [], requestBody, responses } = operation;
    const socket = operation["x-websocket"];
    const name = socket ? "WebSocket" : method;
    this.#add("", `### ${summary}`, "", `\`${name} ${path}\`: ${credentialsOf(operation)}`);
    if (description !== undefined) this.#add("", description);
    if (!socket) this.#add("", "```sh", curl(method, path, operation), "```");
    this.#parameters(parameters);
    for (const [type, { schema }] of Object.entries(requestBody?.content ?? {})) {
      const isWhole = schema === undefined || fieldsOf(schema).length === 0;
      this.#add("", `Body, \`${type}\`${schema && isWhole ? `: ${this.#typeOf(schema)}` : ":"}`);
      if (schema) this.#fields(schema);
    }
    for (const [status, response] of Object.entries(responses))
      if (/^[23]/.test(status) && "description" in response) this.#answer(status, response);
    if (socket) {
      const { client, server, subprotocols, binary } = socket;
      this.#add("", `- the client sends: ${client.map((one) => this.#typeOf(one)).join(", ")}`);
      this.#add(`- the server sends: ${server.map((one) => this.#typeOf(one)).join(", ")}`);
      if (binary !== undefined) this.#add(`- binary frames: ${binary}`);
      if (subprotocols.length > 0) this.#add(`- sub-protocol: \`${subprotocols.join("`, `")}\``);
    }
    this.#errors(responses);
  }

  #parameters(parameters: readonly ApiParameter[]): void {
    if (parameters.length === 0) return;
    this.#add("", "| parameter | in | type | |", "| --- | --- | --- | --- |");
    for (const { name, in: place, required = false, schema, description } of parameters)
      this.#add(
        `| \`${name}\`${required ? "" : " (optional)"} | ${place} | ${this.#typeOf(schema)} | ${cell(description ?? schema.description)} |`,
      );
  }

  #answer(status: string, { content = {}, description }: ApiResponse): void {
    const [media] = Object.entries(content);
    if (!media) {
      this.#add("", `Answer: \`${status}\` without a body.`);
      return;
    }
    const [type, { schema }] = media;
    const of = schema ? this.#typeOf(schema) : "bytes";
    const isJson = type === "application/json";
    this.#add(
      "",
      `Answer: \`${status}\`, ${isJson ? of : `\`${type}\``}${description === STATUS_CODES[status] ? "" : `: ${description}`}.`,
    );
    if (schema && isJson) this.#fields(schema);
  }

  /** Fields of an object that has no name, or of the entries of a list of such. */
  #fields(schema: ApiSchema): void {
    const inner = schema.type === "array" && schema.items ? schema.items : schema;
    const fields = fieldsOf(inner);
    if (fields.length === 0) return;
    this.#add("", "| field | type | |", "| --- | --- | --- |");
    this.#rows(inner, "");
  }

  #rows(schema: ApiSchema, prefix: string): void {
    for (const [name, field, required] of fieldsOf(schema)) {
      this.#add(
        `| \`${prefix}${name}\`${required ? "" : " (optional)"} | ${this.#typeOf(field)} | ${cell(describe(field))} |`,
      );
      const below = field.type === "array" && field.items ? field.items : field;
      if (fieldsOf(below).length > 0 && prefix.split(".").length < 4)
        this.#rows(below, `${prefix}${name}${field.type === "array" ? "[]" : ""}.`);
    }
  }

  #typeOf(schema: ApiSchema): string {
    if (schema.$ref !== undefined) {
      const name = schema.$ref.split("/").at(-1) ?? "";
      return `[${name}](#${anchor(name)})`;
    }
    if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(" or ");
    if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
    if (schema.anyOf?.some(({ $ref = "" }) => $ref.split("/").at(-1)?.includes(".")))
      return "[an event](events.md)";
    if (schema.anyOf) return [...new Set(schema.anyOf.map((one) => this.#typeOf(one)))].join(" or ");
    if (schema.type === "array") return `list of ${schema.items ? this.#typeOf(schema.items) : "anything"}`;
    if (schema.type === "object" && fieldsOf(schema).length === 0) return "object of texts by name";
    if (schema.contentMediaType !== undefined) return "bytes";
    return schema.type ?? (schema.allOf ? "object" : "anything");
  }

  #errors(responses: ApiOperation["responses"]): void {
    const own = Object.entries(responses).flatMap(([status, response]) =>
      Number(status) < 400 || !("$ref" in response)
        ? []
        : this.#reasonsOf(response.$ref).map((reason) => ({ status, reason })),
    );
    const special = own.filter(({ reason }) => !shared.has(reason) && !ofHosts.has(reason));
    const links = special.map(({ status, reason }) => `${status} [\`${reason}\`](errors.md#${reason})`);
    if (own.some(({ reason }) => reason === "host_unavailable"))
      links.push("[those of hosts](#errors-of-hosts)");
    if (links.length === 0) return;
    this.#add("", `Errors: ${links.join(", ")}.`);
  }

  #reasonsOf(reference: string): readonly string[] {
    const { content } = this.#document.components.responses[reference.split("/").at(-1) ?? ""] ?? {};
    return Object.keys(content?.["application/json"]?.examples ?? {});
  }

  #objects(): void {
    this.#add("", "## Objects");
    for (const [name, schema] of Object.entries(this.#document.components.schemas)) {
      // Kinds of events have a page.
      if (name.includes(".")) continue;
      this.#add("", `### ${name}`);
      if (schema.description !== undefined) this.#add("", sentence(schema.description));
      this.#fields(schema);
    }
  }

  #commonErrors(): void {
    this.#add(
      "",
      "## Errors of every operation",
      "",
      "Any operation may answer these in addition to its own: the first group in any case, the others when it needs credentials, is for people, or takes a body. All errors with their remedies are in [errors.md](errors.md).",
      "",
    );
    this.#errorTable(shared);
    this.#add(
      "",
      "## Errors of hosts",
      "",
      "Operations whose work is done by the host of a capsule may answer these.",
      "",
    );
    this.#errorTable(ofHosts);
  }

  #errorTable(reasons: ReadonlySet<string>): void {
    this.#add("| status | reason | message | what to do |", "| --- | --- | --- | --- |");
    for (const [reason, entry] of Object.entries<CatalogueEntry>(errorCatalogue))
      if (reasons.has(reason))
        this.#add(`| ${entry.status} | \`${reason}\` | ${cell(entry.message)} | ${cell(entry.remedy)} |`);
  }

  #add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }
}

/** Fields of an object that is written out, with whether they are required. */
function fieldsOf({
  properties = {},
  required = [],
  allOf = [],
}: ApiSchema): readonly (readonly [string, ApiSchema, boolean])[] {
  return [
    ...allOf.flatMap(fieldsOf),
    ...Object.entries(properties).map(([name, schema]) => [name, schema, required.includes(name)] as const),
  ];
}

/** Description of a field with its bounds. */
function describe({
  description,
  minimum,
  maximum,
  minLength,
  maxLength,
  maxItems,
  default: value,
}: ApiSchema): string {
  const bounds = [
    minimum !== undefined && maximum !== undefined ? `${minimum} to ${maximum}` : undefined,
    minimum !== undefined && maximum === undefined ? `at least ${minimum}` : undefined,
    minimum === undefined && maximum !== undefined ? `at most ${maximum}` : undefined,
    minLength !== undefined && minLength > 1 ? `at least ${minLength} characters` : undefined,
    maxLength === undefined ? undefined : `at most ${maxLength} characters`,
    maxItems === undefined ? undefined : `at most ${maxItems} entries`,
    value === undefined ? undefined : `default: ${JSON.stringify(value)}`,
  ].filter((bound) => bound !== undefined);
  return [description, bounds.length > 0 ? bounds.join(", ") : undefined]
    .filter((part) => part !== undefined)
    .join("; ");
}

function credentialsOf({ security }: ApiOperation): string {
  if (!security) return "no credentials";
  return security.some((scheme) => "apiKey" in scheme)
    ? "API key or access token"
    : "access token of a person";
}

function curl(method: string, path: string, operation: ApiOperation): string {
  const query = (operation.parameters ?? [])
    .filter(({ in: place, required }) => place === "query" && required === true)
    .map(({ name, example }) => `${name}=${encodeURIComponent(String(example))}`);
  const isPerson =
    operation.security !== undefined && !operation.security.some((scheme) => "apiKey" in scheme);
  const parts = [
    `curl${method === "GET" ? "" : ` -X ${method}`} "$WRENN_URL${path}${query.length > 0 ? `?${query.join("&")}` : ""}"`,
    ...(operation.security
      ? [isPerson ? '-H "Authorization: Bearer $WRENN_TOKEN"' : '-H "X-API-Key: $WRENN_API_KEY"']
      : []),
  ];
  const [media] = Object.entries(operation.requestBody?.content ?? {});
  if (media) {
    const [type, { example }] = media;
    if (type === "application/json")
      parts.push(
        '-H "Content-Type: application/json"',
        `-d '${JSON.stringify(example).replaceAll("'", String.raw`'\''`)}'`,
      );
    else if (type === "multipart/form-data") parts.push("-F path=/root/notes.txt", "-F file=@notes.txt");
    else parts.push(`-H "Content-Type: ${type}"`, "--data-binary @notes.txt");
  }
  return parts.join(" \\\n  ");
}

function title(name: string): string {
  if (name === "api keys") return "API keys";
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

function anchor(name: string): string {
  return name.toLowerCase().replaceAll(" ", "-");
}

function sentence(text: string): string {
  return /[.:]$/.test(text) ? text : `${text}.`;
}

function cell(text = ""): string {
  return text.replaceAll("|", String.raw`\|`).replaceAll("\n", " ");
}
