import assert from "node:assert/strict";
import { after, test } from "node:test";
import { errorCatalogue } from "@wrenn/core";
import { socketRoutes } from "../src/create-control-plane.ts";
import type { ApiDocument, ApiOperation, ApiSchema } from "../src/openapi/api-document.ts";
import { namedSchemas } from "../src/openapi/named-schemas.ts";
import { tags } from "../src/openapi/tags.ts";
import { DescribedApi } from "./support/described-api.ts";
import { RouteList } from "./support/route-list.ts";
import { TestPlatform } from "./support/test-platform.ts";

using list = new RouteList();
const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const document = JSON.parse(await platform.text("/openapi.json")) as ApiDocument;
const api = new DescribedApi(document);
const operations: readonly (readonly [string, ApiOperation])[] = Object.entries(document.paths).flatMap(
  ([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
    ),
);

/**
 * Reasons that no operation of the API has: of the command line, of a starting server or host, of builds as they end, of ports of
 * capsules, and of methods that a path does not have.
 */
const elsewhere = new Set([
  "access_ended",
  "access_unconfirmed",
  "address_in_use",
  "attributes_unsupported",
  "backup_not_writable",
  "backup_too_new",
  "backup_unreadable",
  "build_failed",
  "build_interrupted",
  "build_not_ready",
  "build_not_starting",
  "build_too_long",
  "built_in_unknown",
  "control_plane_insecure",
  "control_plane_unreachable",
  "database_external",
  "database_missing",
  "database_not_empty",
  "e2b_not_offered",
  "e2b_route_unknown",
  "host_state_damaged",
  "image_access_denied",
  "image_archive_invalid",
  "image_choice_needed",
  "image_damaged",
  "image_layer_refused",
  "image_mislabelled",
  "image_not_found",
  "image_platform_missing",
  "image_too_large",
  "image_unsupported",
  "join_incomplete",
  "kvm_unusable",
  "method_not_allowed",
  "moment_not_found",
  "native_build_failed",
  "network_in_use",
  "not_a_terminal",
  "npm_package_unavailable",
  "package_index_unavailable",
  "packages_not_installable",
  "oauth_client_unknown",
  "oauth_grant_unsupported",
  "port_draining",
  "port_head_too_large",
  "port_hung_up",
  "port_link_ended",
  "port_not_listening",
  "port_private",
  "port_timeout",
  "port_unreachable",
  "registry_login_refused",
  "registry_rate_limited",
  "registry_unreachable",
  "request_misdirected",
  "sandbox_in_transition",
  "sandbox_not_found",
  "sandbox_paused_already",
  "sandbox_runs_already",
  "server_already_runs",
  "template_builds_already",
  "template_copy_busy",
  "template_refresh_runs",
  "traffic_token_missing",
  "tsc_unusable",
  "tunnel_refused",
]);

test("every route that the server has is described, but for pages", () => {
  const described = new Set(operations.map(([name]) => name));
  const missing = list
    .all()
    .filter(({ method, isPage }) => method !== "HEAD" && method !== "OPTIONS" && !isPage)
    .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, "{$1}")}`)
    .filter((name) => !described.has(name));
  assert.deepEqual(missing, []);
});

test("every operation has a summary, a tag, an id, answers and refusals", () => {
  const problems: string[] = [];
  const ids = new Set<string>();
  const known = new Set<string>(tags.map(({ name }) => name));
  for (const [name, { summary = "", tags: own = [], operationId = "", responses }] of operations) {
    if (!/^\S.{3,}[^.]$/.test(summary))
      problems.push(`${name} has no summary, or one that ends with a full stop`);
    if (own.length !== 1 || !own.every((tag) => known.has(tag))) problems.push(`${name}: tags ${own.join()}`);
    if (operationId === "" || ids.has(operationId)) problems.push(`${name}: id ${operationId}`);
    ids.add(operationId);
    const statuses = Object.keys(responses);
    if (statuses.some((status) => !/^[1-5]\d\d$/.test(status))) problems.push(`${name}: ${statuses.join()}`);
    if (!statuses.some((status) => /^[123]/.test(status))) problems.push(`${name} has no answer`);
    if (!statuses.includes("400")) problems.push(`${name} has no refusals`);
  }
  assert.deepEqual(problems, []);
});

test("every answer that is JSON has a schema, and every JSON body an example that its schema allows", () => {
  const problems: string[] = [];
  for (const [name, { responses, requestBody, parameters = [] }] of operations) {
    const bodies = Object.entries(responses).flatMap(([status, response]) =>
      "content" in response ? [[status, response.content] as const] : [],
    );
    for (const [part, content] of [...bodies, ["body", requestBody?.content] as const])
      for (const [type, { schema, example }] of Object.entries(content ?? {})) {
        if (!schema || Object.keys(schema).length === 0)
          problems.push(`${name} ${part}: no schema of ${type}`);
        else if (type === "application/json")
          problems.push(...api.problems(schema, example).map((one) => `${name} ${part}: ${one}`));
      }
    for (const { name: parameter, schema, in: place, example } of parameters)
      if (place !== "header")
        problems.push(...api.problems(schema, example).map((one) => `${name} ${parameter}: ${one}`));
  }
  assert.deepEqual(problems, []);
});

test("every error of the catalogue is described with its status where it can be met", () => {
  const { examples, responses } = document.components;
  const missing = Object.keys(errorCatalogue).filter(
    (reason) => !(reason in examples) && !elsewhere.has(reason),
  );
  assert.deepEqual(missing, []);
  assert.deepEqual(
    [...elsewhere].filter((reason) => !(reason in errorCatalogue) || reason in examples),
    [],
  );
  for (const [name, { content }] of Object.entries(responses))
    for (const reason of Object.keys(content?.["application/json"]?.examples ?? {})) {
      const schema = content?.["application/json"]?.schema ?? {};
      assert.deepEqual(api.problems(schema, examples[reason]?.value), [], `${name} ${reason}`);
    }
});

test("objects that have a name are described once", () => {
  const { schemas } = document.components;
  assert.deepEqual(
    Object.keys(namedSchemas).filter((name) => !(name in schemas)),
    [],
  );
});

test("every WebSocket route describes the messages of both sides, each with a name and a type", () => {
  const sockets = operations.flatMap(([name, operation]) => {
    const socket = operation["x-websocket"];
    return socket ? [[name, socket] as const] : [];
  });
  assert.ok(sockets.length > 2 * socketRoutes.length);
  const problems: string[] = [];
  for (const [name, { client, server }] of sockets)
    for (const reference of [...client, ...server]) {
      const schema: ApiSchema = api.resolve(reference);
      if (reference.$ref === undefined || schema.description === undefined)
        problems.push(`${name}: a message has no name`);
      if (schema.properties?.["type"] === undefined) problems.push(`${name} ${schema.title}: no type`);
    }
  assert.deepEqual(problems, []);
});
