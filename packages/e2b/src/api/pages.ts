import { WrennError } from "@wrenn/core";
import type { FastifyReply } from "fastify";
import { Type } from "typebox";

/** Entries of a page at most, and by default. */
export const MAX_PAGE = 100;
const NEXT = "x-next-token";

/** Query fields of lists in pages. */
export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE })),
  nextToken: Type.Optional(Type.String({ maxLength: 400 })),
};

/** Tells the client how to continue behind an entry. */
export function linkPage(reply: FastifyReply, place: string): void {
  reply.header(NEXT, Buffer.from(place).toString("base64url"));
}

/** The place that a client brought back; undefined for the first page. @throws WrennError `invalid_field`. */
export function placeOfToken(
  token: string | undefined,
  isPlace: (text: string) => boolean,
): string | undefined {
  if (token === undefined || token === "") return undefined;
  const place = Buffer.from(token, "base64url").toString("utf8");
  if (isPlace(place)) return place;
  throw new WrennError("invalid_field", { field: "nextToken", problem: "was not given out by this list" });
}

/** One page of a list that is short by nature, by unique keys in their order. */
export function pageOf<T>(
  reply: FastifyReply,
  entries: readonly T[],
  keyOf: (entry: T) => string,
  query: { readonly limit?: number; readonly nextToken?: string },
): readonly T[] {
  const { limit = MAX_PAGE, nextToken } = query;
  const after = placeOfToken(nextToken, (text) => entries.some((entry) => keyOf(entry) === text));
  const from = after === undefined ? 0 : entries.findIndex((entry) => keyOf(entry) === after) + 1;
  const shown = entries.slice(from, from + limit);
  const last = shown.at(-1);
  if (last !== undefined && from + limit < entries.length) linkPage(reply, keyOf(last));
  return shown;
}
