import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { DEFAULT_TAG } from "@wrenn/database";
import type { TemplateRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";

const CHOSEN = /^[0-9a-f]{20}$/;

/** A template that was made of a sandbox. */
export const Snapshot = Type.Object({
  snapshotID: Type.String({ description: "Usable as `templateID`" }),
  names: Type.Array(Type.String()),
});

/** A name for a snapshot that its client gives none; it counts as none. */
export function chosenName(random: Random): string {
  return randomHex(random, 10);
}

/** A version of a template as a snapshot of the team with this slug, by one of its tags. */
export function snapshotJson(
  { name, tags }: Pick<TemplateRow, "name" | "tags">,
  slug: string,
  tag: string = tags[0] ?? DEFAULT_TAG,
): Static<typeof Snapshot> {
  if (CHOSEN.test(name)) return { snapshotID: `${name}:${tag}`, names: [] };
  const full = (one: string): string => `${slug}/${name}:${one}`;
  return { snapshotID: full(tag), names: (tags.length === 0 ? [tag] : tags).map(full) };
}
