import type { NetworkDecision } from "@wrenn/protocol";

/** How long the kernel remembers a destination after its last packet, in seconds. */
export const SEEN_SECONDS = 3600;

interface ListedSet {
  readonly name: string;
  readonly elem?: readonly ListedElement[];
}

interface ListedElement {
  readonly elem: {
    readonly val: { readonly concat: readonly [string, string | number, number?] };
    readonly expires: number;
    readonly counter: { readonly packets: number };
  };
}

/**
 * The destinations that a slot's rules have granted or refused, from what `nft -j list table` prints.
 *
 * @param now - milliseconds since the Unix epoch.
 */
export function readSeen(json: string, now: number): readonly NetworkDecision[] {
  const { nftables } = JSON.parse(json) as { readonly nftables: readonly { readonly set?: ListedSet }[] };
  return nftables.flatMap(({ set }) => {
    const kind = /^(granted|refused)_(ports|others)$/.exec(set?.name ?? "")?.[1];
    if (kind === undefined) return [];
    return (set?.elem ?? []).map(({ elem }) => {
      const [address, protocol, port] = elem.val.concat;
      return {
        kind: "destination" as const,
        subject: `${protocol} ${address}${port === undefined ? "" : `:${port}`}`,
        verdict: kind === "granted" ? ("allowed" as const) : ("denied" as const),
        reason: "address",
        count: elem.counter.packets,
        at: now - (SEEN_SECONDS - elem.expires) * 1000,
      };
    });
  });
}
