import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { Type } from "typebox";
import { PLATFORM_TEAM } from "../http/identity.ts";
import type { RecordAudit } from "../audit/audit.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import { waitingClient } from "../http/waiting-client.ts";
import { snapshotJson, Template } from "../templates/template-json.ts";
import { NewTemplateName } from "../templates/template-name.ts";
import { ADMIN_CAPSULES } from "./capsule-api.ts";
import type { CapsuleLifecycle } from "./capsule-lifecycle.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import type { CapsuleSnapshots } from "./capsule-snapshots.ts";

export interface SnapshotRoutesDeps {
  readonly rows: Pick<CapsuleRows, "resolve">;
  readonly snapshots: CapsuleSnapshots;
  readonly random: Random;
  readonly record: RecordAudit;
}

/** Templates that are made from capsules (docs/reference/rest-api.md#templates). */
export function registerSnapshotRoutes(
  app: App,
  { rows, snapshots, random, record }: SnapshotRoutesDeps,
): void {
  app.post(
    "/v1/snapshots",
    {
      schema: {
        summary: "Make a template of a capsule",
        description:
          "A running capsule is paused for it and stays paused. Without `name` one is chosen, and no template is left of a client that closes its connection before the answer. `name:tag` adds a version with this tag; without one the tag is `default`. With `overwrite` the tag moves to the new version, and the one before ends unless it has another tag. Capsules that start from the template have its sizes, and the network policy of this capsule unless their create names another one. 409 when the name is taken and `overwrite` is not set, or belongs to a built-in template.",
        tags: ["templates"],
        body: Type.Object({
          sandbox_id: Type.String({ description: "Id or name of the capsule" }),
          name: Type.Optional(NewTemplateName),
        }),
        querystring: Type.Object({ overwrite: Type.Optional(Type.Boolean()) }),
        response: { 201: Template, ...refusals },
      },
    },
    async (request, reply) => {
      const { sandbox_id: named, name = randomName(random) } = request.body;
      const { overwrite = false } = request.query;
      const client = request.body.name === undefined ? waitingClient(reply) : undefined;
      const id = await rows.resolve(teamOf(request), named);
      const row = await snapshots.create(teamOf(request), id, { name, overwrite, client });
      await record(request, { resource: "template", resourceId: row.name, action: "create" });
      await client?.requirePresent();
      return await reply.status(201).send(snapshotJson(row));
    },
  );
}

export interface SnapshotAdminRoutesDeps extends SnapshotRoutesDeps {
  readonly lifecycle: CapsuleLifecycle;
}

/** Templates for all teams, made from capsules of the platform (docs/reference/rest-api.md#administration). */
export function registerSnapshotAdminRoutes(
  app: App,
  { lifecycle, snapshots, random, record }: SnapshotAdminRoutesDeps,
): void {
  app.post(
    `${ADMIN_CAPSULES}/:id/snapshot`,
    {
      schema: {
        summary: "Make a template for everybody of a capsule, which is destroyed then",
        description: "One of the platform with the same name is replaced.",
        tags: ["admin"],
        params: CapsuleParams,
        body: Type.Optional(Type.Object({ name: Type.Optional(NewTemplateName) })),
        response: { 201: Template, ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { name = randomName(random) } = request.body ?? {};
      const client = request.body?.name === undefined ? waitingClient(reply) : undefined;
      const row = await snapshots.create(PLATFORM_TEAM, id, { name, overwrite: true, client });
      await lifecycle.destroy(PLATFORM_TEAM, id);
      await record(request, { resource: "template", resourceId: name, action: "create", scope: "admin" });
      return await reply.status(201).send(snapshotJson(row));
    },
  );
}

function randomName(random: Random): string {
  return `snapshot-${randomHex(random, 4)}`;
}
