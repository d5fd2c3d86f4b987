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
import { Capsule, capsuleJson } from "./capsule-api.ts";
import { NetworkBody, networkRules } from "../network/network-routes.ts";
import { requestedPage, linkNextPage, PageQuery } from "../http/paging.ts";
import { CapsuleParams, refusals, SafeName } from "../http/schemas.ts";
import { requireScope } from "../http/identity.ts";
import type { RequestLimits } from "../http/request-limits.ts";
import { waitingClient } from "../http/waiting-client.ts";
import type { RecordAudit } from "../audit/audit.ts";

const DEFAULT_VCPUS = 1;
const DEFAULT_MEMORY_MIB = 512;

const CreateBody = Type.Object(
  {
    template: Type.Optional(SafeName),
    vcpus: Type.Optional(Type.Integer({ maximum: 64, description: "0 or less: 1" })),
    memory_mb: Type.Optional(
      Type.Integer({
        minimum: 128,
        maximum: 65_536,
        description: "A guest with less than 128 does not boot; 0 or less: 512",
      }),
    ),
    timeout_sec: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2_592_000,
        description: "Idle seconds after which the capsule is paused; 0: never",
      }),
    ),
    max_lifetime_sec: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2_592_000,
        description:
          "Seconds after which the capsule is paused whether or not it is in use, from its creation and from each resume; 0: never",
      }),
    ),
    auto_resume: Type.Optional(
      Type.Boolean({ description: "A paused capsule is resumed by whoever uses it" }),
    ),
    network: Type.Optional(NetworkBody),
  },
  { examples: [{ template: "minimal", vcpus: 1, memory_mb: 512 }] },
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
        timeout_sec: timeoutSec = 0,
        max_lifetime_sec: maxLifetimeSec = 0,
        auto_resume: autoResume = false,
        network,
      } = request.body;
      const create = {
        template,
        vcpus,
        memoryMib,
        timeoutSec,
        maxLifetimeSec,
        autoResume,
        ...defined({ network: network && networkRules(network) }),
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
        metadata: { template: answer.template },
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
        tags: ["capsules"],
        querystring: PageQuery,
        response: { 200: Type.Array(Capsule), ...refusals },
      },
    },
    async (request, reply) => {
      const page = requestedPage("capsules", request, isPlace);
      if (!page) return (await rows.list(teamOf(request))).map(capsuleJson);
      // One more than asked for says whether there is another page.
      const found = await rows.list(teamOf(request), { ...page, limit: page.limit + 1 });
      const shown = found.slice(0, page.limit);
      const place = shown.at(-1)?.place;
      if (found.length > page.limit && place !== undefined) linkNextPage(reply, request, "capsules", place);
      return shown.map(capsuleJson);
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
