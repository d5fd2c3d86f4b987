import type { ApiOperation, ApiPaths, ApiReference, ApiSchema } from "./api-document.ts";
import { exampleOf } from "./example-values.ts";
import type { RouteAccess, RouteName } from "./route-errors.ts";

/** What a WebSocket route carries, for the description of the API. */
export interface SocketDescription {
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  /** Parameters of the query. */
  readonly query?: Readonly<Record<string, ApiSchema>>;
  /** Messages of the client after its credentials, each with a title. */
  readonly client: readonly ApiSchema[];
  /** Messages of the server, each with a title. */
  readonly server: readonly ApiSchema[];
  /** What binary frames carry, where there are any. */
  readonly binary?: string;
}

/** A WebSocket route below the path of a capsule, or of another thing of a team. */
export interface DescribedSocket {
  /** What its path is below, where that is no capsule. */
  readonly root?: string;
  readonly path: string;
  readonly subprotocol?: string;
  readonly description: SocketDescription;
}

const text: ApiSchema = { type: "string" };

/** First message of a client that has no credentials in its headers. */
const AuthMessage: ApiSchema = {
  title: "AuthMessage",
  description: "First message of a client without credentials in its headers",
  type: "object",
  required: ["type"],
  properties: {
    type: { type: "string", const: "auth" },
    api_key: { ...text, maxLength: 8192, description: "API key; `token` is not tried then" },
    token: { ...text, maxLength: 8192, description: "Access token" },
  },
  examples: [{ type: "auth", token: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c3IifQ.c2lnbmF0dXJl" }],
};

/** How a session fails. */
export const ErrorMessage: ApiSchema = {
  title: "ErrorMessage",
  description: "The session has failed; the server closes it next, except where output was dropped",
  type: "object",
  required: ["type", "data"],
  properties: {
    type: { type: "string", const: "error" },
    data: { ...text, description: "What is wrong, for people" },
    reason: { ...text, description: "Entry of the error catalogue, when the access of the client has ended" },
    fatal: { type: "boolean", description: "True in terminals" },
    error: {
      type: "object",
      description: "With a sub-protocol: the error as answers of the REST API have it, and its HTTP status",
      required: ["code", "message", "reason", "remedy", "request_id", "status"],
      properties: {
        code: text,
        message: text,
        reason: text,
        remedy: text,
        request_id: text,
        field: text,
        status: { type: "integer" },
      },
    },
  },
  additionalProperties: false,
  examples: [{ type: "error", data: "sandbox not found" }],
};

/** Every message that the server may send on a route. */
export function serverMessages({ description }: DescribedSocket): readonly ApiSchema[] {
  return [...description.server, ErrorMessage];
}

/** Operations of the upgrade requests, for capsules of teams and of the platform. */
export function describeSockets(
  sockets: readonly DescribedSocket[],
  refusals: (route: RouteName, access: RouteAccess) => Readonly<Record<string, ApiReference>>,
): ApiPaths {
  const paths: [string, { readonly get: ApiOperation }][] = [];
  for (const [base, access] of [
    ["/v1", "key"],
    ["/v1/admin", "person"],
  ] as const)
    for (const socket of sockets) {
      const url = `${base}/${socket.root ?? "capsules"}/:id/${socket.path}`;
      const get = operationOf(socket, url, access, refusals({ method: "GET", url }, access));
      paths.push([url.replaceAll(/:(\w+)/g, "{$1}"), { get }]);
    }
  return Object.fromEntries(paths);
}

function operationOf(
  socket: DescribedSocket,
  url: string,
  access: "key" | "person",
  refusals: Readonly<Record<string, ApiReference>>,
): ApiOperation {
  const { summary, description, tag, query = {}, client, binary } = socket.description;
  const segments = [...url.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  const names = url.replace(/^\/v1/, "").split(/[^A-Za-z0-9]+/);
  return {
    operationId: `connect${names.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("")}`,
    summary,
    description: `WebSocket. ${description}`,
    tags: [access === "person" ? "admin" : tag],
    security: access === "person" ? [{ session: [] }, {}] : [{ apiKey: [] }, { session: [] }, {}],
    parameters: [
      ...segments.map((name) => ({
        name,
        in: "path" as const,
        required: true,
        schema: text,
        example: exampleOf(text, url.split(`/:${name}`)[0] ?? "", true, name),
      })),
      ...Object.entries(query).map(([name, schema]) => ({
        name,
        in: "query" as const,
        required: false,
        schema,
        example: exampleOf(schema, url, true, name),
      })),
    ],
    responses: {
      101: { description: "Switching Protocols: the messages are in `x-websocket`" },
      ...refusals,
    },
    "x-websocket": {
      subprotocols: socket.subprotocol === undefined ? [] : [socket.subprotocol],
      ...(binary !== undefined && { binary }),
      client: [AuthMessage, ...client],
      server: serverMessages(socket),
    },
  };
}
