import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { defined, WrennError } from "@wrenn/core";
import { isPlace } from "@wrenn/database";
import { Type } from "typebox";
import type { CapsuleCreation } from "./capsule-creation.ts";
import type { CapsuleLifecycle } from "./capsule-lifecycle.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import type { IdempotencyKey } from "./reservations.ts";
import { identityOf, teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { Capsule, capsuleJson, listedCapsuleJson } from "./capsule-api.ts";
import { NetworkBody, networkRules } from "../network/network-routes.ts";
import { requestedPage, linkNextPage } from "../http/paging.ts";
import { CapsuleListQuery, requestedFilter } from "./capsule-filters.ts";
import {
  autoResume,
  diskMib,
  identityFields,
  maxLifetimeSec,
  onLifetimeEnd,
  requireUsableName,
  timeoutSec,
  validateEnvironment,
  validateMetadata,
} from "./capsule-fields.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import { requireScope } from "../http/identity.ts";
import type { RequestLimits } from "../http/request-limits.ts";
import { waitingClient } from "../http/waiting-client.ts";
import type { RecordAudit } from "../audit/audit.ts";
import { TemplateReference } from "../templates/template-name.ts";

const DEFAULT_VCPUS = 1;
const DEFAULT_MEMORY_MIB = 512;

const CreateBody = Type.Object(
  {
    template: Type.Optional(TemplateReference),
    vcpus: Type.Optional(Type.Integer({ maximum: 64, description: "0 or less: 1" })),
    memory_mb: Type.Optional(
      Type.Integer({
        minimum: 128,
        maximum: 65_536,
        description: "A guest with less than 128 does not boot; 0 or less: 512",
      }),
    ),
    disk_mb: Type.Optional(diskMib),
    timeout_sec: Type.Optional(timeoutSec),
    max_lifetime_sec: Type.Optional(maxLifetimeSec),
    on_lifetime_end: Type.Optional(onLifetimeEnd),
    auto_resume: Type.Optional(autoResume),
    network: Type.Optional(NetworkBody),
    ...identityFields,
  },
  { examples: [{ template: "minimal", name: "web", vcpus: 1, memory_mb: 512, metadata: { stage: "test" } }] },
);

export interface CapsuleRoutesDeps {
  readonly rows: CapsuleRows;
  readonly creation: CapsuleCreation;
  readonly lifecycle: CapsuleLifecycle;
  readonly limits: RequestLimits;
  readonly record: RecordAudit;
}

/** Capsules: create, list, read, destroy (docs/reference/rest-api.md#capsules). */
export function registerCapsuleRoutes(
  app: App,
  { rows, creation, lifecycle, limits, record }: CapsuleRoutesDeps,
  base: string,
): void {
  app.post(
    base,
    {
      config: { timing: {} },
      schema: {
        summary: "Create a capsule",
        description:
          "Answers when the capsule is running, or within 3.5 seconds (`WRENN_CREATE_WAIT` of the server) with one that is still `pending` or `starting`: the first of its size on a host takes that long. Commands, files and sessions wait for such a capsule; GET returns how it ended. A client that closes its connection before the answer leaves no capsule. With an `Idempotency-Key` header a repeated request gives the same capsule for a day, until that is destroyed; after a client left, its capsule is kept 60 seconds for the repetition. 400 for a bad field, 403 for a network policy that reaches more than the template lets it without the scope `egress`, 404 for an unknown template, 502 or 503 when the host cannot start it.",
        tags: ["capsules"],
        body: CreateBody,
        response: { 201: Capsule, ...refusals },
      },
      preValidation: async (request) => {
        // Sizes of zero and less mean the default; only then is a lower bound meaningful.
        const body = request.body as Record<string, unknown> | undefined | null;
        if (typeof body === "object" && body !== null) applyDefaults(body);
      },
    },
    async (request, reply) => {
      const {
        template = "minimal",
        vcpus = DEFAULT_VCPUS,
        memory_mb: memoryMib = DEFAULT_MEMORY_MIB,
        disk_mb: wantedDisk = 0,
        timeout_sec: timeoutSec = 0,
        max_lifetime_sec: maxLifetimeSec = 0,
        on_lifetime_end: onLifetimeEnd,
        auto_resume: autoResume = false,
        network,
        name,
        metadata,
        envs,
        user,
        cwd,
      } = request.body;
      if (name !== undefined) requireUsableName(name);
      validateMetadata(metadata ?? {});
      validateEnvironment(envs ?? {});
      const create = {
        template,
        vcpus,
        memoryMib,
        timeoutSec,
        maxLifetimeSec,
        autoResume,
        ...defined({
          network: network && networkRules(network),
          diskMib: wantedDisk > 0 ? wantedDisk : undefined,
          onLifetimeEnd,
          name,
          metadata,
          envs,
          user,
          cwd,
        }),
      };
      const client = waitingClient(reply);
      limits.create(teamOf(request));
      const row = await creation.create(teamOf(request), create, {
        client,
        idempotencyKey: idempotencyKeyOf(request.headers, create),
        requireEgress: () => requireScope(identityOf(request), "egress"),
      });
      const answer = capsuleJson(row);
      const recorded = record(request, {
        resource: "sandbox",
        resourceId: answer.id,
        action: "create",
        metadata: { template: answer.template, ...defined({ name }) },
      });
      await creation.beforeAnswer(recorded, client);
      await client.requirePresent();
      return await reply.status(201).send(answer);
    },
  );

  app.get(
    base,
    {
      schema: {
        summary: "List capsules, newest first",
        description:
          "Those that have not ended. A capsule is listed when it matches every filter. Capsules that are created or destroyed between two pages neither repeat nor hide others. 400 for a filter that is empty or has no valid value.",
        tags: ["capsules"],
        querystring: CapsuleListQuery,
        response: { 200: Type.Array(Capsule), ...refusals },
      },
    },
    async (request, reply) => {
      const oldestFirst = request.query.order === "asc";
      // A place is of one order.
      const list = oldestFirst ? "capsules-asc" : "capsules";
      const page = requestedPage(list, request, isPlace);
      const wanted = { filter: requestedFilter(request.query), oldestFirst };
      if (!page) return (await rows.list(teamOf(request), wanted)).map(listedCapsuleJson);
      // One more than asked for says whether there is another page.
      const found = await rows.list(teamOf(request), { ...wanted, page: { ...page, limit: page.limit + 1 } });
      const shown = found.slice(0, page.limit);
      const place = shown.at(-1)?.place;
      if (found.length > page.limit && place !== undefined) linkNextPage(reply, request, list, place);
      return shown.map(listedCapsuleJson);
    },
  );

  app.get(
    `${base}/:id`,
    {
      schema: {
        summary: "Read a capsule",
        tags: ["capsules"],
        params: CapsuleParams,
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => capsuleJson(await rows.get(teamOf(request), request.params.id)),
  );

  app.delete(
    `${base}/:id`,
    {
      schema: {
        summary: "Destroy a capsule",
        description: "Works from every state and may be repeated.",
        tags: ["capsules"],
        params: CapsuleParams,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await lifecycle.destroy(teamOf(request), id);
      await record(request, { resource: "sandbox", resourceId: id, action: "destroy", status: "warning" });
      return await reply.status(204).send(null);
    },
  );
}

/** `Idempotency-Key`, so that a client that lost the answer can repeat the request. @throws WrennError `invalid_field`. */
function idempotencyKeyOf(headers: IncomingHttpHeaders, create: object): IdempotencyKey | undefined {
  const key = headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key !== "string" || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new WrennError("invalid_field", {
      field: "Idempotency-Key",
      problem: "must be 1 to 255 printable characters",
    });
  return { key, fingerprint: createHash("sha256").update(JSON.stringify(create)).digest("hex") };
}

function applyDefaults(body: Record<string, unknown>): void {
  if (isNotPositive(body["vcpus"])) body["vcpus"] = DEFAULT_VCPUS;
  if (isNotPositive(body["memory_mb"])) body["memory_mb"] = DEFAULT_MEMORY_MIB;
}

function isNotPositive(value: unknown): boolean {
  return typeof value === "number" && value <= 0;
}
