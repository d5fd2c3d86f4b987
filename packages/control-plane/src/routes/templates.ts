import { Type } from "typebox";
import type { App, RouteServices } from "./app.ts";
import { timestamp } from "./capsule-json.ts";
import { refusals } from "./schemas.ts";

const Template = Type.Object({
  name: Type.String(),
  type: Type.String({ description: "base or snapshot" }),
  vcpus: Type.Optional(Type.Integer()),
  memory_mb: Type.Optional(Type.Integer()),
  size_bytes: Type.Integer(),
  created_at: Type.String(),
  platform: Type.Boolean(),
});

const types = ["base", "snapshot"] as const;

/** Templates (contract 10 §9). */
export function templateRoutes(app: App, { hostAgent, clock }: RouteServices): void {
  const startedAt = new Date(clock.now());
  app.get(
    "/v1/snapshots",
    {
      schema: {
        summary: "List templates",
        tags: ["templates"],
        querystring: Type.Object({
          type: Type.Optional(Type.Union(types.map((type) => Type.Literal(type)))),
        }),
        response: { 200: Type.Array(Template), ...refusals },
      },
    },
    async (request) => {
      if (request.query.type === "snapshot") return [];
      const templates = await hostAgent.listTemplates(AbortSignal.timeout(10_000));
      return templates.map((template) => ({
        name: template.name,
        type: "base",
        vcpus: template.vcpus,
        memory_mb: template.memoryMib,
        size_bytes: template.sizeBytes,
        created_at: timestamp(startedAt),
        platform: true,
      }));
    },
  );
}
