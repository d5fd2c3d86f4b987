import { formatId } from "@wrenn/core";
import type { IdKind } from "@wrenn/core";
import type { ApiSchema } from "./api-document.ts";

const UUID = "3f2b8c1e-6a57-4d0e-9c41-2f7d5b90e8a6";
const TIME = "2026-03-01T09:30:00Z";
const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c3IifQ.c2lnbmF0dXJl";

const idOf = (kind: IdKind): string => formatId(kind, UUID);

/** Values that fields of a name have in examples. The first one that a schema allows is used. */
const byName: Readonly<Record<string, readonly unknown[]>> = {
  address: ["10.0.3.4:9443"],
  "allow[]": ["api.example.org"],
  arch: ["x86_64"],
  "args[]": ["-c", "print(6*7)"],
  auth_url: ["https://github.com/login/oauth/authorize?client_id=1"],
  availability_zone: ["eu-1a"],
  checkpoint: ["g3"],
  cmd: ["python3"],
  cwd: ["/root"],
  cpu_pct: [12.5],
  data: ["aGVsbG8K"],
  date: ["2026-03-01"],
  "deny[]": ["10.0.0.0/8"],
  destination: ["/root/report.txt"],
  email: ["ada@example.org"],
  creator_email: ["ada@example.org"],
  owner_email: ["ada@example.org"],
  encoding: ["utf-8"],
  "events[]": ["capsule.failed"],
  exit_code: [0],
  group: ["root"],
  host_ip: ["10.201.0.2"],
  key: ["wrn_3b1f6d8a90c24e57b1f6d8a90c24e57b"],
  key_prefix: ["wrn_3b1f6d"],
  kind: ["file"],
  "labels[]": ["gpu"],
  link: ["https://8080-cl-1.example.org/?token=1"],
  memory_mb: [512],
  "memory_mb[]": [512],
  message: ["the capsule is ready"],
  mode: ["0644", 420],
  name: ["build-box", "Ada Lovelace"],
  note: ["nightly build"],
  offset: [0],
  owner: ["root"],
  owner_name: ["Ada Lovelace"],
  password: ["correct horse battery staple"],
  current_password: ["correct horse battery staple"],
  new_password: ["a new correct horse battery staple"],
  path: ["/root/notes.txt"],
  permissions: ["-rw-r--r--"],
  pid: [412],
  port: [8080],
  provider: ["github", "webhook"],
  range: ["1h"],
  reason: ["idle"],
  role: ["member"],
  selector: ["build"],
  signal: [15, "SIGTERM"],
  size: [1024],
  slug: ["ada"],
  source: ["/root/notes.txt"],
  state: ["running"],
  status: ["running"],
  stderr: [""],
  stdout: ["42\n"],
  symlink_target: ["/root/target"],
  tag: ["build"],
  team_name: ["Ada's team"],
  template: ["minimal"],
  title: ["GitHub"],
  type: ["file"],
  url: ["https://8080-cl-1.example.org"],
  user: ["root"],
  vcpus: [1],
  verdict: ["allowed"],
  version: ["0.1.0"],
};

/** Ids by the name of their field, or by the first segment of the path that they are in. */
const idKinds: Readonly<Record<string, IdKind>> = {
  capsule_id: "capsule",
  sandbox_id: "capsule",
  "sandbox_ids[]": "capsule",
  capsule: "capsule",
  team_id: "team",
  user_id: "user",
  actor_id: "user",
  created_by: "user",
  host_id: "host",
  upload: "upload",
  before_id: "auditLog",
  next_before_id: "auditLog",
  capsules: "capsule",
  fork: "capsule",
  teams: "team",
  "api-keys": "apiKey",
  hosts: "host",
  users: "user",
  members: "user",
  channels: "channel",
  "audit-logs": "auditLog",
  uploads: "upload",
  links: "portLink",
};

const general: readonly unknown[] = [
  "text",
  TIME,
  UUID,
  idOf("capsule"),
  "0".repeat(64),
  "8".repeat(43),
  "g3",
  "/root",
  "SIGTERM",
  "0644",
  "ada@example.org",
  "10.0.3.4:9443",
  "text text text",
];

/**
 * An example that a schema allows, the same on every run.
 *
 * @param place - path of the route; names the kind of the ids in it.
 * @param isRequest - only what has to be given; everything when nothing has to.
 */
export function exampleOf(schema: ApiSchema, place: string, isRequest: boolean, name = ""): unknown {
  if ("const" in schema) return schema.const;
  const given = schema.examples?.[0] ?? schema.enum?.[0] ?? schema.default;
  if (given !== undefined) return given;
  const [choice] = schema.anyOf ?? [];
  if (choice) return exampleOf(choice, place, isRequest, name);
  if (schema.allOf) {
    const parts = schema.allOf.map((part) => exampleOf(part, place, isRequest, name));
    return Object.assign({}, ...parts) as unknown;
  }
  switch (schema.type) {
    case "object":
      return exampleObject(schema, place, isRequest);
    case "array":
      return schema.items ? [exampleOf(schema.items, place, isRequest, `${name}[]`)] : [];
    case "string":
      return textFor(schema, place, name);
    case "integer":
    case "number":
      return numberFor(schema, name);
    case "boolean":
      return true;
    case "null":
      return null;
    case undefined:
    default:
      return {};
  }
}

function exampleObject(
  { properties = {}, required = [], additionalProperties, patternProperties }: ApiSchema,
  place: string,
  isRequest: boolean,
): unknown {
  const all = Object.entries(properties);
  const wanted = all.filter(([name]) => required.includes(name));
  const shown = isRequest && wanted.length > 0 ? wanted : all;
  const [free] = Object.values(patternProperties ?? {});
  const extra = free ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
  if (shown.length === 0 && extra) return { stage: exampleOf(extra, place, isRequest) };
  return Object.fromEntries(shown.map(([name, of]) => [name, exampleOf(of, place, isRequest, name)]));
}

function textFor(schema: ApiSchema, place: string, name: string): string {
  const last = place.split("/").findLast((segment) => segment in idKinds) ?? "";
  const kind = idKinds[name] ?? (name === "id" ? idKinds[last] : undefined);
  const candidates: unknown[] = [
    ...(kind ? [idOf(kind)] : []),
    ...(name === "id" && !kind ? [UUID] : []),
    ...(schema.format === "uuid" ? [UUID] : []),
    ...(name.endsWith("_pem") ? ["-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"] : []),
    ...(/(token|secret)$/.test(name) ? ["0".repeat(64), TOKEN] : []),
    ...(/(_at|^at|^from|^to|^last_|^since|^until|^before|^next_before|_updated)$/.test(name) ? [TIME] : []),
    ...(name === "name" && /^\/v1\/(me|auth|users)|members/.test(place) ? ["Ada Lovelace"] : []),
    ...(byName[name] ?? []),
    ...general,
  ];
  const found = candidates.find((value) => typeof value === "string" && allowsText(schema, value));
  return typeof found === "string" ? found : "";
}

function allowsText({ pattern, minLength = 0, maxLength = Infinity }: ApiSchema, text: string): boolean {
  if (text.length < minLength || text.length > maxLength) return false;
  return pattern === undefined || new RegExp(pattern, "u").test(text);
}

function numberFor({ minimum = -Infinity, maximum = Infinity }: ApiSchema, name: string): number {
  const named = (byName[name] ?? []).find((value) => typeof value === "number");
  for (const value of [named, name.endsWith("_unix") ? 1_772_357_400 : undefined, 1, minimum, maximum])
    if (typeof value === "number" && value >= minimum && value <= maximum && Number.isFinite(value))
      return value;
  return 0;
}
