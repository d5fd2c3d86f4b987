import type { ApiDocument, ApiOperation, ApiSchema } from "../../src/openapi/api-document.ts";

/** Operations that the SDK calls: those of these tags, and single ones of other tags. */
const TAGS: ReadonlySet<string> = new Set([
  "builds",
  "capsules",
  "commands",
  "events",
  "files",
  "network",
  "ports",
  "templates",
]);
const ROUTES: ReadonlySet<string> = new Set(["GET /v1/info", "GET /v1/quota"]);
/** What the command line manages and the SDK has no methods for. */
const CLIENT_TAGS: ReadonlySet<string> = new Set(["api keys", "hosts", "teams"]);
const CLIENT_ROUTES: ReadonlySet<string> = new Set(["POST /v1/auth/switch-team"]);
/** What pages of accounts and teams call. */
const DASHBOARD_TAGS: ReadonlySet<string> = new Set(["accounts", "api keys", "teams"]);
/** Pages of browsers among them. */
const PAGES: ReadonlySet<string> = new Set(["GET /v1/ports/sign-in"]);

const HEADER = `// Generated from the server's OpenAPI document by \`npm run sdk:types\`; do not edit.

`;

/** The types of @wrenn/sdk for what travels to and from the server. */
export function renderSdkTypes(document: ApiDocument): string {
  return renderTypes(document, isOfSdk);
}

/** The types of the command line for teams, API keys and hosts. Names are those of the SDK's, with `Account` for `Api`. */
export function renderClientTypes(document: ApiDocument): string {
  return renderTypes(document, isOfClient).replaceAll(/\bApi(Schemas|Routes)\b/g, "Account$1");
}

/** The types of the dashboard for what the SDK has no methods for. */
export function renderDashboardTypes(document: ApiDocument): string {
  return renderTypes(document, isOfDashboard).replaceAll(/\bApi(Schemas|Routes)\b/g, "Page$1");
}

type IsIncluded = (route: string, operation: ApiOperation) => boolean;

function renderTypes(document: ApiDocument, isIncluded: IsIncluded): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, operation }))
      .filter(({ route, operation }) => isIncluded(route, operation)),
  );
  const routes = operations
    .map(
      ({ route, operation }) =>
        `${comment(operation.summary, "  ")}  ${quoted(route)}: ${routeType(operation)};\n`,
    )
    .join("\n");
  const schemas = [...reachable(document, routes)]
    .map((name) => {
      const schema = document.components.schemas[name] ?? {};
      return `${comment(describe(schema), "  ")}  ${key(name)}: ${typeOf(schema, "  ")};\n`;
    })
    .join("\n");
  return `${HEADER}/** Objects of the API by their names in its description. */
export interface ApiSchemas {
${schemas}}

/** What each route takes and answers. */
export interface ApiRoutes {
${routes}}
`;
}

function isOfSdk(route: string, { tags = [] }: ApiOperation): boolean {
  return (tags.some((tag) => TAGS.has(tag)) && !PAGES.has(route)) || ROUTES.has(route);
}

function isOfClient(route: string, { tags = [] }: ApiOperation): boolean {
  return tags.some((tag) => CLIENT_TAGS.has(tag)) || CLIENT_ROUTES.has(route);
}

function isOfDashboard(_route: string, { tags = [] }: ApiOperation): boolean {
  return tags.some((tag) => DASHBOARD_TAGS.has(tag));
}

/** Names of the schemas that `text` refers to, directly or by others, in the order of the document. */
function reachable({ components }: ApiDocument, text: string): readonly string[] {
  const found = new Set<string>();
  const visit = (type: string): void => {
    for (const [, name = ""] of type.matchAll(/ApiSchemas\["([^"]+)"\]/g)) {
      if (found.has(name)) continue;
      found.add(name);
      visit(typeOf(components.schemas[name] ?? {}, ""));
    }
  };
  visit(text);
  return Object.keys(components.schemas).filter((name) => found.has(name));
}

function routeType(operation: ApiOperation): string {
  const indent = "    ";
  const parts = (["path", "query", "header"] as const).map((place) => {
    const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in === place);
    if (parameters.length === 0) return "";
    const fields = parameters.map(({ name, required, schema, description }) =>
      field(
        name,
        { ...schema, ...(description === undefined ? {} : { description }) },
        required === true,
        `${indent}  `,
      ),
    );
    const isOptional = parameters.every(({ required }) => required !== true);
    return `${indent}readonly ${place}${isOptional ? "?" : ""}: {\n${fields.join("")}${indent}};\n`;
  });
  const { requestBody, responses } = operation;
  const bodies = Object.values(requestBody?.content ?? {}).map(({ schema = {} }) => typeOf(schema, indent));
  if (requestBody)
    parts.push(`${indent}readonly body${requestBody.required === true ? "" : "?"}: ${union(bodies)};\n`);
  const socket = operation["x-websocket"];
  const answers = answersOf(responses).join("");
  if (socket) {
    const messages = (schemas: readonly ApiSchema[]): string =>
      union(schemas.map((one) => typeOf(one, indent)));
    parts.push(
      `${indent}/** Messages of the client. */\n${indent}readonly client: ${messages(socket.client)};\n`,
    );
    parts.push(
      `${indent}/** Messages of the server. */\n${indent}readonly server: ${messages(socket.server)};\n`,
    );
  }
  if (answers !== "") parts.push(`${indent}readonly answers: {\n${answers}${indent}};\n`);
  return `{\n${parts.join("")}  }`;
}

function answersOf(responses: ApiOperation["responses"]): readonly string[] {
  return Object.entries(responses).flatMap(([status, response]) => {
    if (!status.startsWith("2") || !("description" in response)) return [];
    const bodies = Object.values(response.content ?? {}).map(({ schema = {} }) => typeOf(schema, "      "));
    return [`      readonly ${status}: ${bodies.length === 0 ? "undefined" : union(bodies)};\n`];
  });
}

function typeOf(schema: ApiSchema, indent: string): string {
  if (schema.$ref !== undefined) return `ApiSchemas[${quoted(schema.$ref.split("/").at(-1) ?? "")}]`;
  if (schema.enum) return union(schema.enum.map((value) => JSON.stringify(value)));
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return union(schema.anyOf.map((one) => typeOf(one, indent)));
  if (schema.allOf) return schema.allOf.map((one) => typeOf(one, indent)).join(" & ");
  if (schema.contentMediaType === "application/octet-stream") return "Uint8Array";
  if (schema.type === "integer") return "number";
  if (schema.type === "object") return objectType(schema, indent);
  if (schema.type === "array") {
    const items = typeOf(schema.items ?? {}, indent);
    return `readonly ${/[|&]/.test(items) ? `(${items})` : items}[]`;
  }
  return schema.type ?? "unknown";
}

function objectType(schema: ApiSchema, indent: string): string {
  const { properties = {}, required = [], patternProperties, additionalProperties } = schema;
  const fields = Object.entries(properties);
  if (fields.length === 0) {
    const [of] = Object.values(patternProperties ?? {});
    const values = of ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    return `Readonly<Record<string, ${values ? typeOf(values, indent) : "unknown"}>>`;
  }
  const lines = fields.map(([name, one]) => field(name, one, required.includes(name), `${indent}  `));
  return `{\n${lines.join("")}${indent}}`;
}

function field(name: string, schema: ApiSchema, isRequired: boolean, indent: string): string {
  return `${comment(describe(schema), indent)}${indent}readonly ${key(name)}${isRequired ? "" : "?"}: ${typeOf(schema, indent)};\n`;
}

/** Description with bounds and default. */
function describe(schema: ApiSchema): string | undefined {
  const { description, minimum, maximum, maxLength, maxItems, default: value } = schema;
  const bounds = [
    minimum === undefined ? undefined : `at least ${minimum}`,
    maximum === undefined ? undefined : `at most ${maximum}`,
    maxLength === undefined ? undefined : `at most ${maxLength} characters`,
    maxItems === undefined ? undefined : `at most ${maxItems} entries`,
    value === undefined ? undefined : `default: ${JSON.stringify(value)}`,
  ].filter((bound) => bound !== undefined);
  const limits = bounds.join(", ");
  if (description === undefined)
    return limits === "" ? undefined : limits.replace(/^./, (first) => first.toUpperCase());
  return limits === "" ? description : `${description}; ${limits}`;
}

function comment(text: string | undefined, indent: string): string {
  if (text === undefined) return "";
  const safe = text.replaceAll("*/", "*\\/").replaceAll("\n", " ");
  return `${indent}/** ${/[.:]$/.test(safe) ? safe : `${safe}.`} */\n`;
}

function union(types: readonly string[]): string {
  return [...new Set(types)].join(" | ");
}

function key(name: string): string {
  return /^[a-z_$][\w$]*$/i.test(name) ? name : quoted(name);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
