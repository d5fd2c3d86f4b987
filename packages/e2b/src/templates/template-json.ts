import type { TemplateRow, TemplateUse } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { ENVD_VERSION } from "../envd-version.ts";

export const ListedTemplate = Type.Object({
  templateID: Type.String(),
  buildID: Type.String(),
  cpuCount: Type.Integer(),
  memoryMB: Type.Integer(),
  diskSizeMB: Type.Integer(),
  public: Type.Boolean(),
  aliases: Type.Array(Type.String()),
  names: Type.Array(Type.String()),
  createdAt: Type.String(),
  updatedAt: Type.String(),
  createdBy: Type.Union([Type.Object({ id: Type.String(), email: Type.String() }), Type.Null()]),
  lastSpawnedAt: Type.Union([Type.String(), Type.Null()]),
  spawnCount: Type.Integer(),
  buildCount: Type.Integer(),
  envdVersion: Type.String(),
  buildStatus: Type.String(),
});

export const TemplateBuildItem = Type.Object({
  buildID: Type.String(),
  status: Type.String(),
  createdAt: Type.String(),
  updatedAt: Type.String(),
  finishedAt: Type.String(),
  cpuCount: Type.Integer(),
  memoryMB: Type.Integer(),
  diskSizeMB: Type.Integer(),
  envdVersion: Type.String(),
});

/** A template by the version that stands for it. */
export function listedTemplate(
  row: TemplateRow,
  use: TemplateUse | undefined,
  slug: string,
): Static<typeof ListedTemplate> {
  const at = row.created_at.toISOString();
  return {
    templateID: row.name,
    buildID: row.id,
    cpuCount: row.vcpus,
    memoryMB: row.memory_mb,
    diskSizeMB: row.disk_mb,
    public: row.is_public,
    aliases: [row.name],
    names: [`${slug}/${row.name}`],
    createdAt: at,
    updatedAt: at,
    createdBy: use?.createdBy ?? null,
    lastSpawnedAt: use?.lastSpawnedAt?.toISOString() ?? null,
    spawnCount: use?.spawnCount ?? 0,
    // Versions are numbered by the builds and snapshots that made them.
    buildCount: row.version,
    envdVersion: ENVD_VERSION,
    buildStatus: "ready",
  };
}

export function buildItem(row: TemplateRow): Static<typeof TemplateBuildItem> {
  const at = row.created_at.toISOString();
  return {
    buildID: row.id,
    status: "ready",
    createdAt: at,
    updatedAt: at,
    finishedAt: at,
    cpuCount: row.vcpus,
    memoryMB: row.memory_mb,
    diskSizeMB: row.disk_mb,
    envdVersion: ENVD_VERSION,
  };
}
