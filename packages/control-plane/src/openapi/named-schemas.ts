import type { ApiPaths, ApiSchema } from "./api-document.ts";

/** Where a schema is in the description: the operation, `body` or a status, and properties or `items` below. */
type Place = readonly [method: string, path: string, part: string, ...inside: readonly string[]];

/** Objects of the API by name, and a place that has each of them. Wherever the same schema is, the description refers to its name. */
export const namedSchemas: Readonly<Record<string, Place>> = {
  ApiKey: ["get", "/v1/api-keys", "200", "items"],
  AuditEntry: ["get", "/v1/audit-logs", "200", "items", "items"],
  AuthResponse: ["post", "/v1/auth/login", "200"],
  Build: ["get", "/v1/builds/{id}", "200"],
  BuildLogLine: ["get", "/v1/builds/{id}/logs", "200", "lines", "items"],
  Capsule: ["get", "/v1/capsules/{id}", "200"],
  CapsuleCreate: ["post", "/v1/capsules", "body"],
  CapsuleMetrics: ["get", "/v1/capsules/{id}/metrics", "200"],
  Channel: ["get", "/v1/channels/{id}", "200"],
  Checkpoint: ["get", "/v1/capsules/{id}/checkpoints", "200", "items"],
  ExecRequest: ["post", "/v1/capsules/{id}/exec", "body"],
  ExecResult: ["post", "/v1/capsules/{id}/exec", "200"],
  FileEntry: ["post", "/v1/capsules/{id}/files/stat", "200", "entry"],
  Host: ["get", "/v1/hosts/{id}", "200"],
  Invitation: ["get", "/v1/invitations", "200", "items"],
  ListeningPort: ["get", "/v1/capsules/{id}/ports/listening", "200", "ports", "items"],
  LogEntry: ["get", "/v1/capsules/{id}/logs", "200", "entries", "items"],
  LoginSession: ["get", "/v1/me/sessions", "200", "items"],
  Member: ["get", "/v1/teams/{id}/members", "200", "items"],
  MetricsPoint: ["get", "/v1/capsules/{id}/metrics", "200", "points", "items"],
  NetworkPolicy: ["put", "/v1/capsules/{id}/network", "body"],
  Process: ["get", "/v1/capsules/{id}/processes/{selector}", "200"],
  ProcessLimits: ["post", "/v1/capsules/{id}/exec", "body", "limits"],
  StartedProcess: ["post", "/v1/capsules/{id}/exec", "202"],
  Team: ["get", "/v1/teams", "200", "items"],
  TeamLimits: ["patch", "/v1/admin/teams/{id}/limits", "200"],
  Template: ["get", "/v1/snapshots", "200", "items"],
  Upload: ["get", "/v1/capsules/{id}/files/uploads/{upload}", "200"],
};

/**
 * Moves the objects that have a name, or a title of their own, to the components, so that clients get one type for each of them.
 *
 * @throws Error when two different schemas have one title.
 */
export function hoistNamed(paths: ApiPaths): {
  readonly paths: ApiPaths;
  readonly schemas: Readonly<Record<string, ApiSchema>>;
} {
  const names = new Map<string, string>();
  for (const [name, place] of Object.entries(namedSchemas)) {
    const schema = schemaAt(paths, place);
    if (schema) names.set(JSON.stringify(schema), name);
  }
  const schemas = new Map<string, string>();
  const replace = (value: unknown, key: string): unknown => {
    if (Array.isArray(value)) return value.map((one) => replace(one, key));
    if (typeof value !== "object" || value === null || key === "example" || key === "examples") return value;
    const moved = Object.fromEntries(
      Object.entries(value).map(([name, one]): [string, unknown] => [name, replace(one, name)]),
    );
    if (key === "properties" || moved["type"] !== "object") return moved;
    const title = names.get(JSON.stringify(value)) ?? moved["title"];
    if (typeof title !== "string") return moved;
    const text = JSON.stringify({ title, ...moved });
    if ((schemas.get(title) ?? text) !== text) throw new Error(`two schemas have the title ${title}`);
    schemas.set(title, text);
    return { $ref: `#/components/schemas/${title}` };
  };
  const replaced = replace(paths, "") as ApiPaths;
  const sorted = [...schemas].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return {
    paths: replaced,
    schemas: Object.fromEntries(sorted.map(([title, text]) => [title, JSON.parse(text) as ApiSchema])),
  };
}

function schemaAt(paths: ApiPaths, [method, path, part, ...inside]: Place): ApiSchema | undefined {
  const operation = paths[path]?.[method];
  const response = operation?.responses[part];
  const content =
    part === "body"
      ? operation?.requestBody?.content
      : response && "content" in response
        ? response.content
        : {};
  let schema = content?.["application/json"]?.schema;
  for (const step of inside) schema = schema?.type === "array" ? schema.items : schema?.properties?.[step];
  return schema;
}
