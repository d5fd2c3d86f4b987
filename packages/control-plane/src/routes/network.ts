import { Type } from "typebox";
import type { Static } from "typebox";
import { teamOf } from "./app.ts";
import type { App, RouteServices } from "./app.ts";
import { CapsuleParams, refusals } from "./schemas.ts";

const MAX_ENTRIES = 1024;

const Network4 = Type.String({
  pattern: "^\\d{1,3}(\\.\\d{1,3}){3}(/\\d{1,2})?$",
  description: "IPv4 address or CIDR block",
});
const networks = Type.Optional(Type.Array(Network4, { maxItems: MAX_ENTRIES }));

export const NetworkBody = Type.Object(
  {
    egress: Type.Optional(
      Type.Union([Type.Literal("allow"), Type.Literal("deny")], {
        description: "What is in neither list; allow when absent",
      }),
    ),
    allow: networks,
    deny: networks,
  },
  {
    description:
      "What the capsule may reach. `deny` beats `allow`. The host, other capsules, private and link-local networks stay out of reach whatever this says.",
  },
);

export function networkRules({ egress = "allow", allow = [], deny = [] }: Static<typeof NetworkBody>) {
  return { egress, allow, deny };
}

/** What capsules may reach; our addition to the contract. */
export function networkRoutes(app: App, { capsules, record }: RouteServices): void {
  app.get(
    "/v1/capsules/:id/network",
    {
      schema: {
        summary: "What a capsule may reach",
        tags: ["network"],
        params: CapsuleParams,
        response: { 200: NetworkBody, ...refusals },
      },
    },
    async (request) => {
      const { network } = await capsules.get(teamOf(request), request.params.id);
      const { egress, allow, deny } = network ?? networkRules({});
      return { egress, allow: [...allow], deny: [...deny] };
    },
  );

  app.put(
    "/v1/capsules/:id/network",
    {
      schema: {
        summary: "Change what a capsule may reach, at once",
        tags: ["network"],
        params: CapsuleParams,
        body: NetworkBody,
        response: { 200: NetworkBody, ...refusals },
      },
    },
    async (request) => {
      const { id } = request.params;
      const rules = networkRules(request.body);
      await capsules.setNetwork(teamOf(request), id, rules);
      await record(request, { resource: "sandbox", resourceId: id, action: "network" });
      return rules;
    },
  );
}
