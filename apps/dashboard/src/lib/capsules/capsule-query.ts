import type { CapsuleInfo } from "@wrenn/sdk";

export type SortKey = "newest" | "oldest" | "name" | "status";

/** What part of the list is shown, and in which order: the query of the page's address. */
export interface CapsuleQuery {
  /** Words, each of which has to be found; `key=value` in the metadata, `status:paused` in the state. */
  readonly text: string;
  readonly sort: SortKey;
}

/** Made once: `localeCompare` with options takes ten times as long, and a thousand names are compared ten thousand times. */
const names = new Intl.Collator("en", { numeric: true });

const sorts: Readonly<Record<SortKey, (one: CapsuleInfo, other: CapsuleInfo) => number>> = {
  newest: (one, other) => other.createdAt.getTime() - one.createdAt.getTime(),
  oldest: (one, other) => one.createdAt.getTime() - other.createdAt.getTime(),
  name: (one, other) => names.compare(nameOf(one), nameOf(other)),
  status: (one, other) => one.status.localeCompare(other.status) || sorts.newest(one, other),
};

/** How people call the orders. */
export const sortNames: Readonly<Record<SortKey, string>> = {
  newest: "Newest first",
  oldest: "Oldest first",
  name: "Name",
  status: "Status",
};

export const sortKeys = Object.keys(sorts) as readonly SortKey[];

/** How people call a capsule: by its name, else by its id. */
export function nameOf({ name, id }: CapsuleInfo): string {
  return name ?? id;
}

/** The capsules that match, in the order asked for. */
export function selectCapsules(
  all: readonly CapsuleInfo[],
  { text, sort }: CapsuleQuery,
): readonly CapsuleInfo[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return all.filter((capsule) => words.every((word) => matches(capsule, word))).sort(sorts[sort]);
}

function matches(capsule: CapsuleInfo, word: string): boolean {
  const [, status] = /^status:(.+)$/.exec(word) ?? [];
  if (status !== undefined) return capsule.status.startsWith(status);
  const [, key, value] = /^([^=]+)=(.*)$/.exec(word) ?? [];
  if (key !== undefined && value !== undefined)
    return Object.entries(capsule.metadata).some(
      ([name, has]) => name.toLowerCase() === key && has.toLowerCase().startsWith(value),
    );
  return [capsule.id, capsule.name ?? "", capsule.template].some((part) => part.toLowerCase().includes(word));
}
