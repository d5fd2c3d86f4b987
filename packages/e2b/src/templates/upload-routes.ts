import { addRawBodyRoutes, teamOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import { announcedBuildQueries } from "@wrenn/database";
import { Type } from "typebox";
import { errors } from "../api/error-body.ts";
import type { UploadLinks } from "./upload-links.ts";

/** Bytes of the files of one step, as long as the archive of a build. */
const MAX_BYTES = 100 << 20;

export interface BuildFileRoutesDeps {
  readonly services: Pick<SharedServices, "archives" | "database">;
  readonly links: UploadLinks;
}

/** Whether files of a step are here already, and where they are uploaded to. */
export function registerUploadLinks(app: App, { services, links }: BuildFileRoutesDeps): void {
  app.get(
    "/templates/:templateID/files/:hash",
    {
      config: { scope: "manage" },
      schema: {
        params: Type.Object({
          templateID: Type.String(),
          hash: Type.String({ pattern: "^[0-9a-f]{64}$" }),
        }),
        response: { 201: Type.Object({ present: Type.Boolean(), url: Type.String() }), ...errors },
      },
    },
    async (request, reply) => {
      const teamId = teamOf(request);
      const { hash } = request.params;
      const known = await announcedBuildQueries.findBuildFiles(services.database.db, teamId, hash);
      const origin = `${request.protocol}://${request.host}`;
      const url = `${origin}/e2b-files/${links.sign({ teamId, hash })}`;
      return await reply.status(201).send({ present: known !== undefined, url });
    },
  );
}

/** Takes files by the links of {@link registerUploadLinks}, without other credentials. */
export async function registerUploads(app: App, { services, links }: BuildFileRoutesDeps): Promise<void> {
  const { archives, database } = services;
  await addRawBodyRoutes(app, (group) => {
    group.put(
      "/e2b-files/:link",
      {
        bodyLimit: MAX_BYTES,
        schema: {
          params: Type.Object({ link: Type.String() }),
          response: { 200: Type.Object({}), ...errors },
        },
      },
      async (request) => {
        const grant = links.read(request.params.link);
        if (!grant) throw new WrennError("token_invalid", {});
        const length = Number(request.headers["content-length"] ?? MAX_BYTES);
        const archive = await archives.receive(grant.teamId, request.raw, length);
        await announcedBuildQueries.putBuildFiles(database.db, grant.teamId, grant.hash, archive.id);
        return {};
      },
    );
  });
}
