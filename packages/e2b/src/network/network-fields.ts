import type { Ingress } from "@wrenn/database";
import { defined, WrennError } from "@wrenn/core";
import type { NetworkRules } from "@wrenn/protocol";
import { Type } from "typebox";
import type { Static } from "typebox";
import { ENVD_PORT } from "../envd-version.ts";
import { isNetwork, subtractNetworks } from "./subtract-networks.ts";

const EVERYTHING = "0.0.0.0/0";
const MAX_ENTRIES = 1024;
/** A Host header: nothing that could end the line, and no other characters than ASCII. */
const HOST = String.raw`^[\x21-\x7e]{1,255}$`;

const Entries = Type.Optional(Type.Array(Type.String({ maxLength: 255 }), { maxItems: MAX_ENTRIES }));

/** What a sandbox may reach, as clients write it. */
export const egressFields = {
  allowOut: Entries,
  denyOut: Entries,
  rules: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  egressProxy: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
};

/** The field `network` of a create. */
export const NetworkFields = Type.Object({
  ...egressFields,
  allowPublicTraffic: Type.Optional(Type.Boolean()),
  maskRequestHost: Type.Optional(Type.String({ pattern: HOST })),
  httpsPorts: Type.Optional(
    Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), { maxItems: MAX_ENTRIES }),
  ),
});

export type NetworkRequest = Static<typeof NetworkFields>;

interface EgressRequest extends Pick<NetworkRequest, "allowOut" | "denyOut"> {
  readonly allowsInternet?: boolean | undefined;
}

/** @throws WrennError `e2b_not_offered` for fields that have no counterpart here. */
export function requireOffered({ rules, egressProxy }: NetworkRequest): void {
  if (rules && Object.keys(rules).length > 0)
    throw new WrennError("e2b_not_offered", { feature: "network.rules" });
  if (egressProxy) throw new WrennError("e2b_not_offered", { feature: "network.egressProxy" });
}

/** The ports whose services speak TLS, each once. @throws WrennError `invalid_field` for the agent's port, behind which there is no service. */
export function tlsPortsOf({ httpsPorts = [] }: NetworkRequest): readonly number[] | undefined {
  if (httpsPorts.includes(ENVD_PORT))
    throw new WrennError("invalid_field", {
      field: "network.httpsPorts",
      problem: `must not have ${ENVD_PORT}, the port of the agent`,
    });
  return httpsPorts.length === 0 ? undefined : [...new Set(httpsPorts)];
}

/**
 * The rules that a request stands for. Clients let `allowOut` win over `denyOut`, and the platform's rules are the other way round:
 * networks that are allowed are taken out of those that are denied.
 *
 * @returns undefined when the request says nothing about it.
 * @throws WrennError `invalid_field`.
 */
export function egressRules({
  allowOut = [],
  denyOut = [],
  allowsInternet,
}: EgressRequest): NetworkRules | undefined {
  for (const entry of denyOut)
    if (!isNetwork(entry))
      throw new WrennError("invalid_field", {
        field: "network.denyOut",
        problem: `must be IPv4 addresses and CIDR blocks: ${entry}`,
      });
  const deniesAll = denyOut.includes(EVERYTHING) || allowsInternet === false;
  if (!deniesAll && allowOut.some((entry) => !isNetwork(entry)))
    throw new WrennError("invalid_field", {
      field: "network.allowOut",
      problem: `has names, and denyOut does not have ${EVERYTHING}`,
    });
  if (deniesAll)
    return allowOut.includes(EVERYTHING)
      ? { egress: "allow", allow: [], deny: [] }
      : { egress: "deny", allow: [...allowOut], deny: [] };
  if (denyOut.length === 0) return undefined;
  return { egress: "allow", allow: [], deny: [...subtractNetworks(denyOut, allowOut)] };
}

/** What of the rules of a sandbox its details show. */
export function networkJson(rules: NetworkRules | null, ingress: Ingress | null) {
  const { egress = "allow", allow = [], deny = [] } = rules ?? {};
  return {
    allowOut: [...allow],
    denyOut: egress === "deny" ? [EVERYTHING] : [...deny],
    allowPublicTraffic: ingress?.ports === "all",
    ...defined({
      maskRequestHost: ingress?.maskHost,
      httpsPorts: ingress?.tlsPorts && [...ingress.tlsPorts],
    }),
  };
}
