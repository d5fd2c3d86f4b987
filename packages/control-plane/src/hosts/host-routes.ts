import { formatId, parseId } from "@wrenn/core";
import { Type } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { Host, hostJson } from "./host-json.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import { ErrorSchema, LINE, refusals } from "../http/schemas.ts";
import type { HostsService } from "./hosts-service.ts";

const HostParams = Type.Object({ id: Type.String({ description: "Host id, `host-` and 25 characters" }) });
const Tag = Type.String({ minLength: 1, maxLength: 64, pattern: "^[A-Za-z0-9][A-Za-z0-9._:=/-]*$" });
const Label = Type.String({ minLength: 1, maxLength: 128, pattern: LINE });
const WithToken = Type.Object({
  host: Host,
  registration_token: Type.String({ description: "Good once, for an hour" }),
});
const CapsuleIds = Type.Optional(Type.Array(Type.String()));
const InUse = Type.Object({
  error: Type.Object({ ...ErrorSchema.properties.error.properties, sandbox_ids: CapsuleIds }),
  sandbox_ids: CapsuleIds,
});
const tags = ["hosts"];
const none = { 204: Type.Null(), ...refusals };

export interface HostsDeps {
  readonly hosts: HostsService;
}

/** Hosts, as people manage them (docs/reference/rest-api.md#hosts). */
export function registerHosts(app: App, { hosts }: HostsDeps): void {
  app.post(
    "/v1/hosts",
    {
      schema: {
        summary: "Announce a host, and get the token that registers it",
        description: "`./wrenn host join` on the machine itself does the rest.",
        tags,
        body: Type.Object({
          type: Type.Union([Type.Literal("regular"), Type.Literal("byoc")]),
          team_id: Type.Optional(Type.String()),
          provider: Type.Optional(Label),
          availability_zone: Type.Optional(Label),
        }),
        response: { 201: WithToken, ...refusals },
      },
    },
    async (request, reply) => {
      const { type, team_id: team, provider, availability_zone: availabilityZone } = request.body;
      const { host, registrationToken } = await hosts.create(sessionOf(request), {
        type,
        provider,
        availabilityZone,
        teamId: team === undefined ? undefined : parseId("team", team),
      });
      return await reply.status(201).send({ host: hostJson(host), registration_token: registrationToken });
    },
  );

  app.get(
    "/v1/hosts",
    {
      schema: {
        summary: "Hosts that you may see",
        tags,
        querystring: PageQuery,
        response: { 200: Type.Array(Host), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(reply, request, await hosts.list(sessionOf(request)), {
        list: "hosts",
        keyOf: (host) => timeKey(host.created_at, host.id),
        newestFirst: false,
      }).map(hostJson),
  );

  app.get(
    "/v1/hosts/:id",
    { schema: { summary: "One host", tags, params: HostParams, response: { 200: Host, ...refusals } } },
    async (request) => hostJson(await hosts.get(sessionOf(request), request.params.id)),
  );

  app.get(
    "/v1/hosts/:id/delete-preview",
    {
      schema: {
        summary: "What would go with a host: running and paused capsules, and templates made there",
        tags,
        params: HostParams,
        response: {
          200: Type.Object({
            host: Host,
            sandbox_ids: Type.Array(Type.String()),
            templates: Type.Array(Type.String()),
          }),
          ...refusals,
        },
      },
    },
    async (request) => {
      const { host, capsules, templates } = await hosts.contents(sessionOf(request), request.params.id);
      return {
        host: hostJson(host),
        sandbox_ids: capsules.map(({ id }) => formatId("capsule", id)),
        templates: [...templates],
      };
    },
  );

  app.delete(
    "/v1/hosts/:id",
    {
      schema: {
        summary: "Give up a host",
        description:
          "409 `host_has_capsules` with their ids, or `conflict` for templates that were made there; `force` destroys both.",
        tags,
        params: HostParams,
        querystring: Type.Object({ force: Type.Optional(Type.Boolean()) }),
        response: { ...none, 409: InUse },
      },
    },
    async (request, reply) => {
      await hosts.remove(sessionOf(request), request.params.id, request.query.force ?? false);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/hosts/:id/token",
    {
      schema: {
        summary: "A new registration token for a host that has not come yet",
        tags,
        params: HostParams,
        response: { 201: WithToken, ...refusals },
      },
    },
    async (request, reply) => {
      const { host, registrationToken } = await hosts.renewToken(sessionOf(request), request.params.id);
      return await reply.status(201).send({ host: hostJson(host), registration_token: registrationToken });
    },
  );

  app.post(
    "/v1/hosts/:id/rotate",
    {
      schema: {
        summary: "Revoke the credentials of a host, and get a token with which it registers again",
        description:
          "Its certificates, tokens and open links end within 10 seconds. Its capsules are `missing` until `./wrenn host join --token` has run on the machine again.",
        tags,
        params: HostParams,
        response: { 201: WithToken, ...refusals },
      },
    },
    async (request, reply) => {
      const { host, registrationToken } = await hosts.rotate(sessionOf(request), request.params.id);
      return await reply.status(201).send({ host: hostJson(host), registration_token: registrationToken });
    },
  );

  app.post(
    "/v1/hosts/:id/drain",
    {
      schema: {
        summary: "Let a host take no new capsules, or take them again",
        tags,
        params: HostParams,
        body: Type.Object({ enabled: Type.Boolean() }),
        response: { 200: Host, ...refusals },
      },
    },
    async (request) =>
      hostJson(await hosts.setDraining(sessionOf(request), request.params.id, request.body.enabled)),
  );

  app.get(
    "/v1/hosts/:id/tags",
    {
      schema: {
        summary: "Tags of a host",
        tags,
        params: HostParams,
        querystring: PageQuery,
        response: { 200: Type.Array(Type.String()), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(reply, request, await hosts.tags(sessionOf(request), request.params.id), {
        list: "tags",
        keyOf: (tag) => tag,
        newestFirst: false,
      }),
  );

  app.post(
    "/v1/hosts/:id/tags",
    {
      schema: {
        summary: "Tag a host",
        tags,
        params: HostParams,
        body: Type.Object({ tag: Tag }),
        response: none,
      },
    },
    async (request, reply) => {
      await hosts.addTag(sessionOf(request), request.params.id, request.body.tag);
      return await reply.status(204).send(null);
    },
  );

  app.delete(
    "/v1/hosts/:id/tags/:tag",
    {
      schema: {
        summary: "Take a tag from a host",
        tags,
        params: Type.Object({ id: Type.String(), tag: Tag }),
        response: none,
      },
    },
    async (request, reply) => {
      await hosts.removeTag(sessionOf(request), request.params.id, request.params.tag);
      return await reply.status(204).send(null);
    },
  );
}
