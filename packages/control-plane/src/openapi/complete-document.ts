import { STATUS_CODES } from "node:http";
import type { ErrorReason } from "@wrenn/core";
import { headersNamed, mediaOf, notesOf, sharedHeaders } from "./answers.ts";
import type { AnswerNotes } from "./answers.ts";
import type {
  ApiDocument,
  ApiMedia,
  ApiOperation,
  ApiParameter,
  ApiPaths,
  ApiResponse,
} from "./api-document.ts";
import { describeSockets } from "./describe-sockets.ts";
import type { DescribedSocket } from "./describe-sockets.ts";
import { exampleOf } from "./example-values.ts";
import { ErrorBody, Refusals } from "./refusals.ts";
import { hoistNamed } from "./named-schemas.ts";
import { errorsOf } from "./route-errors.ts";
import type { RouteAccess, RouteName } from "./route-errors.ts";
import { tags } from "./tags.ts";

/** The description as it is made of the schemas of the routes. */
export type RawDocument = Omit<ApiDocument, "tags" | "components"> & {
  readonly components: Pick<ApiDocument["components"], "securitySchemes">;
};

/**
 * Adds to the routes' own schemas what is known in one place: errors from the catalogue, answers that are not JSON, header fields,
 * examples, and the WebSocket routes. Schemas with a title become components.
 */
export function completeDocument(raw: RawDocument, sockets: readonly DescribedSocket[]): ApiDocument {
  const refusals = new Refusals();
  const described = mapOperations(raw.paths, (operation, route) =>
    completeOperation(operation, route, refusals.of(route, errorsOf(route, accessOf(operation, route)))),
  );
  const socketPaths = describeSockets(sockets, (route, access) => {
    const errors = [...errorsOf(route, access), ...upgradeErrors].filter((reason) =>
      beforeUpgrade.has(reason),
    );
    return refusals.of(route, errors);
  });
  const { paths, schemas } = hoistNamed(mergeSockets(described, socketPaths));
  return {
    ...raw,
    tags,
    paths,
    components: {
      ...raw.components,
      schemas: { Error: ErrorBody, ...schemas },
      responses: refusals.components(),
      headers: sharedHeaders,
      examples: refusals.examples(),
    },
  };
}

/** WebSocket routes may be at the path of an ordinary route. */
function mergeSockets(paths: ApiPaths, sockets: ApiPaths): ApiPaths {
  const merged = Object.entries(sockets).map(([path, operations]) => {
    const before = paths[path];
    const [ordinary, socket] = [before?.["get"], operations["get"]];
    if (!ordinary || !socket) return [path, { ...before, ...operations }] as const;
    const responses = { ...socket.responses, ...ordinary.responses };
    return [
      path,
      { ...before, get: { ...ordinary, responses, "x-websocket": socket["x-websocket"] } },
    ] as const;
  });
  return { ...paths, ...Object.fromEntries(merged) } as ApiPaths;
}

/** What can be wrong with a request for a WebSocket before its upgrade; everything else is a message. */
const beforeUpgrade: ReadonlySet<ErrorReason> = new Set([
  "request_refused",
  "url_invalid",
  "invalid_field",
  "invalid_id",
  "route_not_found",
  "foreign_page",
]);
/** Of these, those that other routes do not have. */
const upgradeErrors: readonly ErrorReason[] = ["route_not_found", "foreign_page"];

function mapOperations(
  paths: ApiPaths,
  complete: (operation: ApiOperation, route: RouteName) => ApiOperation,
): ApiPaths {
  const mapped = Object.entries(paths).map(([path, operations]) => {
    const url = path.replaceAll(/\{(\w+)\}/g, ":$1");
    const completed = Object.entries(operations).map(([method, operation]) => [
      method,
      complete(operation, { method: method.toUpperCase(), url }),
    ]);
    return [path, Object.fromEntries(completed)];
  });
  return Object.fromEntries(mapped) as ApiPaths;
}

/** Which credentials a route takes, by what its group wrote into its schema. */
function accessOf({ security }: ApiOperation, { url }: RouteName): RouteAccess {
  if (security?.some((scheme) => "apiKey" in scheme)) return "key";
  if (security) return "person";
  return url.startsWith("/v1/hosts/") ? "host" : "public";
}

function completeOperation(
  operation: ApiOperation,
  route: RouteName,
  refusals: ApiOperation["responses"],
): ApiOperation {
  const notes = notesOf(route);
  const parameters = [...(operation.parameters ?? []), ...(notes.requestHeaders ?? [])];
  const body = notes.body ? { required: true, content: mediaOf(notes.body) } : operation.requestBody;
  return {
    operationId: operationIdOf(route),
    ...operation,
    ...(parameters.length > 0 && { parameters: parameters.map((one) => withExample(one, route)) }),
    ...(body && { requestBody: { ...body, content: withExamples(body.content, route, true) } }),
    responses: { ...answersOf(operation, route, notes, parameters), ...refusals },
  };
}

/** `GET /v1/capsules/:id/processes` is `getCapsulesIdProcesses`. */
function operationIdOf({ method, url }: RouteName): string {
  // Routes for browsers exist below `/v1`, too.
  const words = url
    .replace(/^\/v1/, "")
    .replace(/^\/auth/, url.startsWith("/auth") ? "/browser" : "/auth")
    .split(/[^A-Za-z0-9]+/);
  return method.toLowerCase() + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
}

function withExample(parameter: ApiParameter, { url }: RouteName): ApiParameter {
  if (parameter.in === "header") return parameter;
  const place = parameter.in === "path" ? (url.split(`/:${parameter.name}`)[0] ?? url) : url;
  return { ...parameter, example: exampleOf(parameter.schema, place, true, parameter.name) };
}

/** Bodies with an example each; bytes have none. */
function withExamples(
  content: Readonly<Record<string, ApiMedia>>,
  { url }: RouteName,
  isRequest: boolean,
): Readonly<Record<string, ApiMedia>> {
  const media = Object.entries(content).map(([type, one]) => {
    const { schema } = one;
    const isGiven = one.example !== undefined || one.examples !== undefined;
    if (type !== "application/json" || !schema || isGiven) return [type, one];
    return [type, { ...one, example: exampleOf(schema, url, isRequest) }];
  });
  return Object.fromEntries(media) as Readonly<Record<string, ApiMedia>>;
}

/** Answers that are no refusals. */
function answersOf(
  { responses }: ApiOperation,
  route: RouteName,
  { answers, also, headers }: AnswerNotes,
  parameters: readonly ApiParameter[],
): Readonly<Record<string, ApiResponse>> {
  const own: readonly (readonly [string, ApiResponse])[] = answers
    ? Object.entries(answers).map(([status, types]) => [
        status,
        { description: "", ...(Object.keys(types).length > 0 && { content: mediaOf(types) }) },
      ])
    : Object.entries(responses).flatMap(([status, response]) =>
        /^[123]\d\d$/.test(status) && "description" in response ? [[status, response] as const] : [],
      );
  const isPaged = parameters.some((one) => one.in === "query" && one.name === "cursor");
  const completed = own.map(([status, response]) => {
    const isUnnamed = response.description === "" || response.description === "Default Response";
    return [
      status,
      {
        ...response,
        description: isUnnamed ? (STATUS_CODES[status] ?? status) : response.description,
        headers: {
          ...headersNamed("X-Request-Id", ...(isPaged ? ["X-Next-Cursor", "Link"] : [])),
          ...headers,
        },
        ...("content" in response &&
          response.content && {
            content: withExamples(
              { ...response.content, ...(status === "200" && also && mediaOf(also)) },
              route,
              false,
            ),
          }),
      },
    ];
  });
  return Object.fromEntries(completed) as Readonly<Record<string, ApiResponse>>;
}
