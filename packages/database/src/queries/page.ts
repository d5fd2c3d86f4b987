import { sql } from "kysely";
import type { RawBuilder, SqlBool } from "kysely";

/** Part of a list. */
export interface Page {
  /** At most so many rows. */
  readonly limit: number;
  /** Place of the last row of the page before, as {@link placeOf} gave it. */
  readonly after?: string;
}

const PLACE = /^([0-9]{1,16})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Whether a text that a client brought back can be a place. */
export function isPlace(text: string): boolean {
  return PLACE.test(text);
}

/** Where a row stands in a list by time and id: exact to the microsecond, which a JavaScript date is not. */
export function placeOf(time: string, id: string): RawBuilder<string> {
  return sql<string>`(extract(epoch from ${sql.ref(time)}) * 1000000)::bigint || '.' || ${sql.ref(id)}`;
}

/** Rows after a place in a list that has the newest first. The row of the place may be gone. */
export function olderThan(place: string | undefined, time: string, id: string): RawBuilder<SqlBool> {
  return beyond(place, "desc", time, id);
}

/** Rows after a place in a list of this order. The row of the place may be gone. */
export function beyond(
  place: string | undefined,
  order: "asc" | "desc",
  time: string,
  id: string,
): RawBuilder<SqlBool> {
  if (place === undefined) return sql<SqlBool>`true`;
  const [, micros, uuid] = PLACE.exec(place) ?? [];
  if (micros === undefined || uuid === undefined) throw new RangeError("a place in a list is malformed");
  return sql<SqlBool>`(${sql.ref(time)}, ${sql.ref(id)}) ${order === "desc" ? sql`<` : sql`>`}
    (timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond', ${uuid}::uuid)`;
}
