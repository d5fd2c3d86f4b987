import { endOfRun, teamOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { parseId, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { DEFAULT_TAG, templateQueries } from "@wrenn/database";
import type { TemplateRow } from "@wrenn/database";
import { Type } from "typebox";
import { errors } from "../api/error-body.ts";
import { pageOf, pageQuery } from "../api/pages.ts";
import { capsuleIdOf } from "../sandbox-id.ts";
import type { OwnSandbox, OwnSandboxes } from "../sandboxes/own-sandboxes.ts";
import { SandboxParams } from "../sandboxes/sandbox-routes.ts";
import { chosenName, Snapshot, snapshotJson } from "./snapshot-names.ts";
import { teamSlug } from "./team-slug.ts";
import { ownName } from "./template-reference.ts";

export interface SandboxSnapshotRoutesDeps {
  readonly services: SharedServices;
  readonly sandboxes: OwnSandboxes;
  readonly clock: Clock;
  readonly random: Random;
}

/** Templates that are made of sandboxes. */
export function registerSnapshots(
  app: App,
  { services, sandboxes, clock, random }: SandboxSnapshotRoutesDeps,
): void {
  const { capsules, database } = services;

  /** The capsule is paused for it; one that ran runs on, and ends when it was to end. */
  const create = async ({ row, capsuleId }: OwnSandbox, tagged: string): Promise<TemplateRow> => {
    const end = endOfRun(row);
    try {
      return await capsules.snapshots.create(row.team_id, capsuleId, { name: tagged, overwrite: true });
    } finally {
      if (row.status === "running") {
        await capsules.running.resume(row.team_id, capsuleId);
        const fromNowSec = end && Math.max(1, Math.round((end.getTime() - clock.now()) / 1000));
        if (fromNowSec !== undefined) await capsules.changes.extend(row.team_id, capsuleId, { fromNowSec });
      }
    }
  };

  app.post(
    "/sandboxes/:sandboxID/snapshots",
    {
      config: { scope: "manage", waitsForHost: true },
      schema: {
        params: SandboxParams,
        body: Type.Optional(Type.Object({ name: Type.Optional(Type.String({ maxLength: 256 })) })),
        response: { 201: Snapshot, ...errors },
      },
    },
    async (request, reply) => {
      const team = teamOf(request);
      const slug = await teamSlug(database, team);
      const { name = chosenName(random) } = request.body ?? {};
      const parts = ownName(name, slug, "name");
      const sandbox = await sandboxes.get(team, request.params.sandboxID);
      const row = await create(sandbox, `${parts.name}:${parts.tag}`);
      await services.record(request, { resource: "template", resourceId: row.name, action: "create" });
      return await reply.status(201).send(snapshotJson({ name: row.name, tags: [parts.tag] }, slug));
    },
  );

  app.get(
    "/snapshots",
    {
      schema: {
        querystring: Type.Object({
          ...pageQuery,
          sandboxID: Type.Optional(Type.String({ maxLength: 64 })),
          name: Type.Optional(Type.String({ maxLength: 256 })),
        }),
        response: { 200: Type.Array(Snapshot), ...errors },
      },
    },
    async (request, reply) => {
      const team = teamOf(request);
      const { sandboxID, name } = request.query;
      const slug = await teamSlug(database, team);
      const source = sandboxID === undefined ? undefined : uuidOf(sandboxID);
      const wanted = name === undefined ? undefined : nameOrNone(name, slug);
      if (source === null || wanted === null) return [];
      const rows = (await templateQueries.listSnapshots(database.db, team)).filter(
        (row) =>
          (source === undefined || row.made_of === source) &&
          (wanted === undefined ||
            (row.name === wanted.name && (!name?.includes(":") || row.tags.includes(wanted.tag)))),
      );
      return [...pageOf(reply, rows, (row) => row.id, request.query)].map((row) =>
        snapshotJson(row, slug, row.tags.includes(DEFAULT_TAG) ? DEFAULT_TAG : row.tags[0]),
      );
    },
  );
}

function uuidOf(sandboxId: string): string | null {
  const id = capsuleIdOf(sandboxId);
  return id === undefined ? null : parseId("capsule", id);
}

/** Names that no template of the team can have are of none. */
function nameOrNone(text: string, slug: string) {
  try {
    return ownName(text, slug, "name");
  } catch (error) {
    if (WrennError.is(error, "invalid_field")) return null;
    throw error;
  }
}
