import { defined } from "@wrenn/core";
import { DEFAULT_TAG } from "@wrenn/database";
import type { TagRow, TemplateOfTeam, TemplateRow } from "@wrenn/database";
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
  version: Type.Optional(
    Type.Integer({ description: "Of the version with the tag `default`, or else of the newest" }),
  ),
  tags: Type.Array(Type.String(), { description: "Of this version" }),
  public: Type.Boolean({ description: "Every team may start capsules from it" }),
});

/** A version of a template. */
const Version = Type.Object({
  version: Type.Integer(),
  tags: Type.Array(Type.String()),
  vcpus: Type.Integer(),
  memory_mb: Type.Integer(),
  size_bytes: Type.Integer(),
  created_at: Type.String(),
  stop_signal: Type.Optional(Type.String({ description: "Of its image or recipe: a name or a number" })),
  exposed_ports: Type.Array(Type.String(), { description: "Likewise, such as `8080/tcp`" }),
  labels: Type.Record(Type.String(), Type.String(), { description: "Likewise" }),
});

export const TemplateTag = Type.Object({
  tag: Type.String(),
  version: Type.Integer(),
  tagged_at: Type.String({ description: "When the tag was given to this version" }),
});

/** A template of whatever team, with how capsules are started from it. */
export const ListedTemplate = Type.Object({
  ...Template.properties,
  reference: Type.String({ description: "What a create names as `template`" }),
});

/** A template with what only its team needs. */
export const TemplateDetails = Type.Object({
  name: Type.String(),
  platform: Type.Boolean({ description: "Everybody may use it" }),
  public: Type.Boolean({ description: "Every team may start capsules from it" }),
  own: Type.Boolean({ description: "The team may change it" }),
  versions: Type.Array(Version, { description: "Newest first; none for a built-in template" }),
  tags: Type.Array(TemplateTag),
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
    tags: [DEFAULT_TAG],
    public: true,
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
    version: row.version,
    tags: [...row.tags],
    public: row.is_public || row.team_id === PLATFORM_TEAM,
  };
}

/** @param row - of another team when it has the slug of one. */
export function listedJson(
  row: TemplateRow & Partial<Pick<TemplateOfTeam, "team_slug">>,
): Static<typeof ListedTemplate> {
  const prefix = row.team_slug === undefined ? "" : `${row.team_slug}/`;
  return { ...snapshotJson(row), reference: prefix + row.name };
}

export function detailsJson(
  name: string,
  versions: readonly TemplateRow[],
  tags: readonly TagRow[],
  isOwn: boolean,
): Static<typeof TemplateDetails> {
  const [newest] = versions;
  const isOfPlatform = !newest || newest.team_id === PLATFORM_TEAM;
  return {
    name: newest?.name ?? name,
    platform: isOfPlatform,
    public: isOfPlatform || newest.is_public,
    own: isOwn,
    versions: versions.map((row) => ({
      version: row.version,
      tags: [...row.tags],
      vcpus: row.vcpus,
      memory_mb: row.memory_mb,
      size_bytes: Number(row.size_bytes),
      created_at: timestamp(row.created_at),
      ...defined({ stop_signal: row.settings.stopSignal }),
      exposed_ports: [...(row.settings.exposedPorts ?? [])],
      labels: { ...row.settings.labels },
    })),
    tags: tags.map(tagJson),
  };
}

export function tagJson({ tag, version, tagged_at: at }: TagRow): Static<typeof TemplateTag> {
  return { tag, version, tagged_at: timestamp(at) };
}
