import { randomHex } from "@wrenn/core";
import { Type } from "typebox";
import { PLATFORM_TEAM } from "../http/identity.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals, SafeName } from "../http/schemas.ts";
import { snapshotJson, Template } from "../templates/template-routes.ts";
import type { CapsulesService } from "./capsule-rows.ts";
import type { Random } from "@wrenn/core";
import type { RecordAudit } from "../audit/audit.ts";

/** Path of capsules of the platform's team. */
export const ADMIN_CAPSULES = "/v1/admin/capsules";

export interface AdminCapsuleRoutesDeps {
  readonly capsules: CapsulesService;
  readonly random: Random;
  readonly record: RecordAudit;
}

/** What can be done with capsules of the platform only: templates for everybody are made of them (contract 10 §13). */
export function registerAdminCapsuleRoutes(
  app: App,
  { capsules, random, record }: AdminCapsuleRoutesDeps,
): void {
  app.post(
    `${ADMIN_CAPSULES}/:id/snapshot`,
    {
      schema: {
        summary: "Make a template for everybody of a capsule, which is destroyed then",
        description: "One of the platform with the same name is replaced.",
        tags: ["admin"],
        params: CapsuleParams,
        body: Type.Optional(Type.Object({ name: Type.Optional(SafeName) })),
        response: { 201: Template, ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { name = `snapshot-${randomHex(random, 4)}` } = request.body ?? {};
      const row = await capsules.life.snapshot(PLATFORM_TEAM, id, { name, overwrite: true });
      await capsules.destroy(PLATFORM_TEAM, id);
      await record(request, { resource: "template", resourceId: name, action: "create", scope: "admin" });
      return await reply.status(201).send(snapshotJson(row));
    },
  );
}
