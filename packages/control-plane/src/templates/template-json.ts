import type { TemplateRow } from "@wrenn/database";
import type { TemplateFacts } from "@wrenn/protocol";
import { Type } from "typebox";
import type { Static } from "typebox";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { timestamp } from "../http/timestamp.ts";

export const Template = Type.Object({
  name: Type.String(),
  type: Type.String({ description: "base or snapshot" }),
  vcpus: Type.Optional(Type.Integer()),
  memory_mb: Type.Optional(Type.Integer()),
  size_bytes: Type.Integer(),
  created_at: Type.String(),
  platform: Type.Boolean({ description: "Everybody may use it" }),
  metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
});

export function platformJson(template: TemplateFacts, since: Date): Static<typeof Template> {
  return {
    name: template.name,
    type: "base",
    vcpus: template.vcpus,
    memory_mb: template.memoryMib,
    size_bytes: template.sizeBytes,
    created_at: timestamp(since),
    platform: true,
  };
}

export function snapshotJson(row: TemplateRow): Static<typeof Template> {
  return {
    name: row.name,
    type: "snapshot",
    vcpus: row.vcpus,
    memory_mb: row.memory_mb,
    size_bytes: Number(row.size_bytes),
    created_at: timestamp(row.created_at),
    platform: row.team_id === PLATFORM_TEAM,
    ...(Object.keys(row.metadata).length === 0 ? {} : { metadata: row.metadata }),
  };
}
