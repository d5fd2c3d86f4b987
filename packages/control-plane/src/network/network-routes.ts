import { parsePolicy } from "@wrenn/network";
import type { NetworkDecision, NetworkRules } from "@wrenn/protocol";
import { Type } from "typebox";
import type { Static } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { RecordAudit } from "../audit/audit.ts";

const MAX_ENTRIES = 1024;

const Entry = Type.String({
  minLength: 1,
  maxLength: 255,
  description: "IPv4 address, CIDR block, domain name, or *. and a domain name",
});
const entries = Type.Optional(Type.Array(Entry, { maxItems: MAX_ENTRIES }));

export const NetworkBody = Type.Object(
  {
    egress: Type.Optional(
      Type.Union([Type.Literal("allow"), Type.Literal("deny")], {
        description: "What is in neither list; allow when absent",
      }),
    ),
    allow: entries,
    deny: entries,
  },
  {
    description:
      "What the capsule may reach. `deny` beats `allow`. The host, other capsules, private and link-local networks stay out of reach whatever this says.",
  },
);

const Decision = Type.Object({
  kind: Type.String({ description: "name (DNS), server_name (TLS to port 443) or destination" }),
  subject: Type.String(),
  verdict: Type.String({ description: "allowed or denied" }),
  reason: Type.String(),
  count: Type.Integer(),
  at: Type.String({ description: "Of the last time" }),
});

/** @throws WrennError `invalid_field` for an entry that is neither network nor name. */
export function networkRules({ egress = "allow", allow = [], deny = [] }: Static<typeof NetworkBody>) {
  const rules = { egress, allow, deny };
  parsePolicy(rules);
  return rules;
}

/** What the routes need of the capsules of teams. */
export interface NetworkControl {
  /** @returns undefined for a capsule with the default rules. @throws WrennError `capsule_not_found`. */
  rules(teamId: string, publicId: string): Promise<NetworkRules | undefined>;
  /** @throws WrennError `capsule_not_found`, `capsule_not_running`. */
  setRules(teamId: string, publicId: string, rules: NetworkRules): Promise<void>;
  /** Latest decisions about connections of a running capsule. @throws WrennError `capsule_not_running`. */
  decisions(teamId: string, publicId: string): Promise<readonly NetworkDecision[]>;
}

export interface NetworkDeps {
  readonly networks: NetworkControl;
  readonly record: RecordAudit;
}

/** What capsules may reach; our addition to the contract. */
export function registerNetwork(app: App, { networks, record }: NetworkDeps): void {
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
      const rules = await networks.rules(teamOf(request), request.params.id);
      const { egress, allow, deny } = rules ?? networkRules({});
      return { egress, allow: [...allow], deny: [...deny] };
    },
  );

  app.get(
    "/v1/capsules/:id/network/decisions",
    {
      schema: {
        summary: "What a running capsule lately wanted to reach, and what became of it",
        tags: ["network"],
        params: CapsuleParams,
        response: { 200: Type.Array(Decision), ...refusals },
      },
    },
    async (request) =>
      (await networks.decisions(teamOf(request), request.params.id)).map((one) => ({
        ...one,
        at: new Date(one.at).toISOString(),
      })),
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
      await networks.setRules(teamOf(request), id, rules);
      await record(request, { resource: "sandbox", resourceId: id, action: "network" });
      return rules;
    },
  );
}
