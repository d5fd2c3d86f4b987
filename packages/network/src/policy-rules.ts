import type { Destinations } from "./destinations.ts";
import { hostGateway } from "./naming.ts";
import type { Instance } from "./naming.ts";
import type { ParsedPolicy } from "./policy.ts";
import { SERVER_NAME_PORT } from "./slot.ts";

const REFUSE = "goto refuse";

/**
 * The chains and sets that hold the policy, as one nftables transaction: a running slot goes from the old policy to the new at
 * once. Addresses that were bound to names under the old policy are forgotten with it.
 *
 * @param epoch - marks connections that this policy let through by name, which go on when the name's address expires; 1 to
 * 2³²-1 and another one than that of any earlier policy of the slot.
 */
export function compilePolicy(
  instance: Instance,
  policy: ParsedPolicy,
  epoch: number,
  { opened }: Pick<Destinations, "opened">,
): string {
  return [
    // A slot that an older version made has none: there it opens nothing.
    "add set inet wrenn reachable4 { type ipv4_addr; flags interval; }",
    ...["reachable4", "allow4", "deny4", "named4"].map((set) => `flush set inet wrenn ${set}`),
    ...["by_name_nat", "by_name_egress", "default_egress"].map((chain) => `flush chain inet wrenn ${chain}`),
    ...elements("reachable4", opened),
    ...elements("allow4", textsOf(policy.allow.networks)),
    ...elements("deny4", textsOf(policy.deny.networks)),
    ...natRules(instance, policy).map((rule) => `add rule inet wrenn by_name_nat ${rule}`),
    ...egressRules(policy, epoch).map((rule) => `add rule inet wrenn by_name_egress ${rule}`),
    `add rule inet wrenn default_egress ${policy.egress === "allow" ? "goto grant" : REFUSE}`,
    "",
  ].join("\n");
}

/** What leads TLS to the gateway, which reads the server name. */
function natRules(instance: Instance, policy: ParsedPolicy): string[] {
  if (!policy.byServerName) return [];
  const target = `dnat ip to ${hostGateway(instance)}:${SERVER_NAME_PORT}`;
  return [
    "ip daddr != @reachable4 ip daddr @never4 return",
    "ip daddr @deny4 return",
    "ip daddr @allow4 return",
    // Where everything else is denied, an address needs a name that the resolver has answered with it.
    policy.egress === "deny" ? `tcp dport 443 ip daddr @named4 ${target}` : `tcp dport 443 ${target}`,
  ];
}

function egressRules(policy: ParsedPolicy, epoch: number): string[] {
  if (!policy.byServerName) return [];
  return [
    // Names come from the gateway's resolver alone, and QUIC would hide the server name from it.
    `meta l4proto { tcp, udp } ct original proto-dst 53 ${REFUSE}`,
    `meta l4proto { tcp, udp } ct original proto-dst 853 ${REFUSE}`,
    `meta l4proto udp ct original proto-dst 443 ${REFUSE}`,
    ...(policy.egress === "deny"
      ? [
          `ct mark ${epoch} ct state established accept`,
          `ct original ip daddr @named4 ct mark set ${epoch} goto grant`,
        ]
      : []),
  ];
}

/** An address that the resolver has found for a name of the policy. */
export interface NamedAddress {
  readonly address: string;
  /** Seconds until it is forgotten. */
  readonly seconds: number;
}

/** Binds addresses for their time, also those that are bound already: the time starts anew. */
export function compileBindings(addresses: readonly NamedAddress[]): string {
  return addresses
    .flatMap(({ address, seconds }) => [
      // The kernel keeps an element's old time when it is added again; within the transaction it is never missing.
      `add element inet wrenn named4 { ${address} }`,
      `delete element inet wrenn named4 { ${address} }`,
      `add element inet wrenn named4 { ${address} timeout ${seconds}s }`,
    ])
    .concat("")
    .join("\n");
}

function elements(set: string, networks: readonly string[]): string[] {
  return networks.length === 0 ? [] : [`add element inet wrenn ${set} { ${networks.join(", ")} }`];
}

function textsOf(networks: readonly { readonly text: string }[]): readonly string[] {
  return networks.map(({ text }) => text);
}
