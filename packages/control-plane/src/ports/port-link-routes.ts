import { defined, formatId } from "@wrenn/core";
import type { PortLinkRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { identityOf, teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import { timestamp } from "../http/timestamp.ts";
import type { PortLinks } from "./port-links.ts";
import { PortParams } from "./port-routes.ts";
import type { PortAddresses } from "./ports.ts";

const DEFAULT_LINK_SEC = 3600;
const MAX_LINK_SEC = 30 * 86_400;

const tags = ["ports"];
const facts = {
  id: Type.String(),
  port: Type.Integer(),
  created_by: Type.String({ description: "Id of the user or API key; the link ends with it" }),
  created_at: Type.String(),
  expires_at: Type.String(),
};
const PortLink = Type.Object(facts);

export interface PortLinkRoutesDeps {
  readonly links: PortLinks;
  readonly edge: PortAddresses;
}

/** Signed links to ports; our addition to the contract. */
export function registerPortLinks(app: App, { links, edge }: PortLinkRoutesDeps): void {
  app.post(
    "/v1/capsules/:id/ports/:port/link",
    {
      schema: {
        summary: "Create a signed link to a port",
        description:
          "The link works for everyone who has it, until it expires or is revoked, or the person or API key that created it loses access to the team. A capsule has at most 1,000 links that work.",
        tags,
        params: PortParams,
        body: Type.Object({
          expires_in_sec: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LINK_SEC })),
        }),
        response: { 201: Type.Object({ ...facts, url: Type.String() }), ...refusals },
      },
    },
    async (request, reply) => {
      const { id, port } = request.params;
      const seconds = request.body.expires_in_sec ?? DEFAULT_LINK_SEC;
      const row = await links.create(identityOf(request), id, port, seconds);
      const link = linkJson(row);
      const url = edge.portLink(id, port, { id: link.id, expiresAt: row.expires_at.getTime() });
      return await reply.status(201).send({ ...link, url });
    },
  );

  app.get(
    "/v1/capsules/:id/ports/links",
    {
      schema: {
        summary: "List signed links to ports, newest first",
        description: "Those that work. Their addresses are shown once, when they are created.",
        tags,
        params: CapsuleParams,
        querystring: Type.Intersect([
          PageQuery,
          Type.Object({ port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })) }),
        ]),
        response: { 200: Type.Array(PortLink), ...refusals },
      },
    },
    async (request, reply) => {
      const rows = await links.list(teamOf(request), request.params.id, request.query.port);
      return pageThrough(reply, request, rows, {
        list: "port-links",
        keyOf: (row) => timeKey(row.created_at, row.id),
        newestFirst: true,
      }).map(linkJson);
    },
  );

  app.delete(
    "/v1/capsules/:id/ports/:port/links/:link",
    {
      schema: {
        summary: "Revoke a signed link, with the connections that it opened",
        tags,
        params: Type.Object({ ...PortParams.properties, link: Type.String() }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { id, port, link } = request.params;
      await links.revoke(identityOf(request), id, port, link);
      return await reply.status(204).send(null);
    },
  );
}

function linkJson(row: PortLinkRow): Static<typeof PortLink> {
  const creator = defined({
    user: row.created_by === null ? undefined : formatId("user", row.created_by),
    key: row.api_key_id === null ? undefined : formatId("apiKey", row.api_key_id),
  });
  return {
    id: formatId("portLink", row.id),
    port: row.port,
    created_by: creator.user ?? creator.key ?? "",
    created_at: timestamp(row.created_at),
    expires_at: timestamp(row.expires_at),
  };
}
