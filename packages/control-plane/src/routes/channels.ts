import { formatId } from "@wrenn/core";
import { Type } from "typebox";
import type { RateLimit } from "../accounts/rate-limiter.ts";
import { actorOf } from "../auth/acting.ts";
import { send } from "../channels/outgoing.ts";
import { compose, providers } from "../channels/providers.ts";
import { identityOf, sessionOf } from "./app.ts";
import type { App, RouteServices } from "./app.ts";
import { refusals } from "./schemas.ts";

const TestRequest = Type.Object({
  provider: Type.Union(providers.map((provider) => Type.Literal(provider))),
  config: Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 2048 }), { maxProperties: 8 }),
});

/** A team's tests; each may take ten seconds of somebody else's server. */
const perTeam: RateLimit = { burst: 20, everyMs: 5000 };

/** Ways to tell people what happened (contract 10 §10). */
export function channelRoutes(app: App, { clock, limiter, outgoing, random, record }: RouteServices): void {
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
      const test = compose(
        provider,
        config,
        {
          event: "channel.test",
          timestamp: new Date(clock.now()).toISOString(),
          team_id: formatId("team", teamId),
          actor: actorOf(identityOf(request)),
          resource: { id: "test", type: "channel" },
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
