import type { HostStorage } from "@wrenn/protocol";
import type { Capsule } from "../capsule.ts";

/** The team of a capsule; all capsules without one count as one. */
export function teamOf(capsule: Pick<Capsule, "spec"> | undefined): string {
  return capsule?.spec.team ?? "";
}

/**
 * Teams that occupy at least half of what the largest one does. Where that is every team on the host, it is none: there is no other
 * for whom room could be kept.
 */
export function largeTeams(
  { capsules, layers }: HostStorage,
  teamOfCapsule: (id: string) => string,
): ReadonlySet<string> {
  const sizes = new Map(layers.map(({ id, bytes }) => [id, bytes]));
  const totals = new Map<string, number>();
  const counted = new Set<string>();
  for (const { id, bytes, layers: needed } of capsules) {
    const team = teamOfCapsule(id);
    let total = (totals.get(team) ?? 0) + bytes;
    for (const layer of needed) {
      const key = `${team}/${layer}`;
      if (!counted.has(key)) total += sizes.get(layer) ?? 0;
      counted.add(key);
    }
    totals.set(team, total);
  }
  const most = Math.max(0, ...totals.values());
  const large = [...totals].filter(([, bytes]) => bytes >= most / 2).map(([team]) => team);
  return new Set(large.length < totals.size ? large : []);
}
