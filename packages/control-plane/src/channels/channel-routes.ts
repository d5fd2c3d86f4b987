import { defined, formatId, WrennError } from "@wrenn/core";
import type { ChannelRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import type { RateLimit, RateLimiter } from "../http/rate-limiter.ts";
import { actorOf } from "../http/current-identity.ts";
import { send } from "./outgoing.ts";
import { composeRequest, channelProviders } from "./channel-providers.ts";
import { notifiedKinds } from "../events/event-kinds.ts";
import { identityOf, sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { timestamp } from "../http/timestamp.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import { refusals } from "../http/schemas.ts";
import type { ChannelsService } from "./channels-service.ts";
import type { Clock, Random } from "@wrenn/core";
import type { OutgoingPolicy } from "./outgoing.ts";
import type { RecordAudit } from "../audit/audit.ts";

const Provider = Type.Union(channelProviders.map((provider) => Type.Literal(provider)));
const Config = Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 2048 }), {
  maxProperties: 8,
});
const TestRequest = Type.Object({ provider: Provider, config: Config });
const Name = Type.String({
  maxLength: 200,
  description:
    "Trimmed, in lower case, with hyphens for spaces: then 1 to 64 of letters, digits, dot, underscore, hyphen",
});
const Events = Type.Array(Type.Union(notifiedKinds.map((type) => Type.Literal(type))), {
  minItems: 1,
  maxItems: 64,
});
const Channel = Type.Object({
  id: Type.String(),
  team_id: Type.String(),
  name: Type.String(),
  provider: Type.String(),
  events: Type.Array(Type.String()),
  created_at: Type.String(),
  updated_at: Type.String(),
  secret: Type.Optional(Type.String({ description: "Of a webhook that was given none; shown this once" })),
});
const ChannelParams = Type.Object({ id: Type.String() });
const tags = ["channels"];

/** A team's tests; each may take ten seconds of somebody else's server. */
const perTeam: RateLimit = { burst: 20, everyMs: 5000 };

export interface ChannelRoutesDeps {
  readonly channels: ChannelsService;
  readonly clock: Clock;
  readonly limiter: RateLimiter;
  /** Where requests that users ask for may go. */
  readonly outgoing: OutgoingPolicy;
  readonly random: Random;
  readonly record: RecordAudit;
}

/** Ways to tell people what happened (docs/reference/rest-api.md#channels). */
export function registerChannels(
  app: App,
  { channels, clock, limiter, outgoing, random, record }: ChannelRoutesDeps,
): void {
  app.post(
    "/v1/channels",
    {
      schema: {
        summary: "Let a service be told of events",
        tags,
        body: Type.Object({ name: Name, provider: Provider, config: Config, events: Events }),
        response: { 201: Channel, ...refusals },
      },
    },
    async (request, reply) => {
      const { name, provider, config, events } = request.body;
      const { row, secret } = await channels.create(sessionOf(request), {
        name: nameOf(name),
        provider,
        config,
        events,
      });
      return await reply.status(201).send({ ...channelJson(row), ...defined({ secret }) });
    },
  );

  app.get(
    "/v1/channels",
    {
      schema: {
        summary: "Channels of the team",
        tags,
        querystring: PageQuery,
        response: { 200: Type.Array(Channel), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(reply, request, await channels.list(sessionOf(request).teamId), {
        list: "channels",
        keyOf: (row) => timeKey(row.created_at, row.id),
        newestFirst: true,
      }).map(channelJson),
  );

  app.get(
    "/v1/channels/:id",
    {
      schema: {
        summary: "One channel",
        tags,
        params: ChannelParams,
        response: { 200: Channel, ...refusals },
      },
    },
    async (request) => channelJson(await channels.get(sessionOf(request).teamId, request.params.id)),
  );

  app.patch(
    "/v1/channels/:id",
    {
      schema: {
        summary: "Rename a channel, or choose other events",
        tags,
        params: ChannelParams,
        body: Type.Object({ name: Type.Optional(Name), events: Type.Optional(Events) }),
        response: { 200: Channel, ...refusals },
      },
    },
    async (request) => {
      const { name, events } = request.body;
      const change = { name: name === undefined ? undefined : nameOf(name), events };
      return channelJson(await channels.change(sessionOf(request), request.params.id, change));
    },
  );

  app.put(
    "/v1/channels/:id/config",
    {
      schema: {
        summary: "Give a channel another configuration",
        description: "A webhook keeps its secret unless another one is given.",
        tags,
        params: ChannelParams,
        body: Type.Object({ config: Config }),
        response: { 200: Channel, ...refusals },
      },
    },
    async (request) =>
      channelJson(await channels.configure(sessionOf(request), request.params.id, request.body.config)),
  );

  app.delete(
    "/v1/channels/:id",
    {
      schema: {
        summary: "Remove a channel",
        tags,
        params: ChannelParams,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await channels.remove(sessionOf(request), request.params.id);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/channels/test",
    {
      schema: {
        summary: "Send channel.test with a configuration, now",
        tags: ["channels"],
        body: TestRequest,
        response: { 200: Type.Object({ status: Type.Literal("ok") }), ...refusals },
      },
    },
    async (request) => {
      const { teamId } = sessionOf(request);
      const { provider, config } = request.body;
      const test = composeRequest(
        provider,
        config,
        {
          event: "channel.test",
          timestamp: new Date(clock.now()).toISOString(),
          team_id: formatId("team", teamId),
          actor: actorOf(identityOf(request)),
          resource: { id: "test", type: "channel" },
          data: {},
        },
        random,
      );
      limiter.take(`channel test ${teamId}`, perTeam);
      const entry = { resource: "channel", action: "test", metadata: { provider, target: test.url.host } };
      try {
        await send(outgoing, test);
      } catch (error) {
        await record(request, { ...entry, status: "error" });
        throw error;
      }
      await record(request, entry);
      return { status: "ok" as const };
    },
  );
}

const SAFE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** @throws WrennError `invalid_field`. */
function nameOf(text: string): string {
  const name = text.trim().toLowerCase().replaceAll(/\s+/g, "-");
  if (!SAFE_NAME.test(name))
    throw new WrennError("invalid_field", {
      field: "name",
      problem:
        "must be 1 to 64 of letters, digits, dot, underscore, hyphen, beginning with a letter or digit",
    });
  return name;
}

function channelJson(row: ChannelRow): Static<typeof Channel> {
  return {
    id: formatId("channel", row.id),
    team_id: formatId("team", row.team_id),
    name: row.name,
    provider: row.provider,
    events: [...row.events],
    created_at: timestamp(row.created_at),
    updated_at: timestamp(row.updated_at),
  };
}
