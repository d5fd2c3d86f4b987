import { WrennError } from "@wrenn/core";
import type { FastifyReply } from "fastify";
import { Type } from "typebox";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
const CURSOR_LENGTH = 400;

/** Query fields of every list. Without them a list is whole, as the contract has it. */
export const pageFields = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_LIMIT, description: "Entries of one page; without it, all" }),
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: CURSOR_LENGTH,
      description: "`X-Next-Cursor` of the page before; the last page has none",
    }),
  ),
};

export const PageQuery = Type.Object(pageFields);

/** What of a request says which page it wants. */
export interface PageRequest {
  readonly url: string;
  readonly query: { readonly limit?: number; readonly cursor?: string };
}

/** The page that a request asks for. */
export interface RequestedPage {
  readonly limit: number;
  /** Key of the last entry of the page before. */
  readonly after?: string;
}

/**
 * The page that a request asks for; undefined for the whole list.
 *
 * @throws WrennError `invalid_field` for a cursor that this list did not give out.
 */
export function requestedPage(
  list: string,
  { query }: PageRequest,
  isKey: (key: string) => boolean = () => true,
): RequestedPage | undefined {
  const { limit = DEFAULT_LIMIT, cursor } = query;
  if (cursor === undefined) return query.limit === undefined ? undefined : { limit };
  const [name, key] = splitOnce(Buffer.from(cursor, "base64url").toString("utf8"));
  if (name !== list || key === undefined || !isKey(key) || cursorOf(list, key) !== cursor)
    throw new WrennError("invalid_field", { field: "cursor", problem: "was not given out by this list" });
  return { limit, after: key };
}

/**
 * Tells the client how to go on: `X-Next-Cursor`, and the same as a `Link`. The body stays the bare array that clients know.
 */
export function linkNextPage(reply: FastifyReply, request: PageRequest, list: string, lastKey: string): void {
  const cursor = cursorOf(list, lastKey);
  const [path = "", search = ""] = request.url.split("?");
  const query = new URLSearchParams(search);
  query.set("cursor", cursor);
  reply.header("x-next-cursor", cursor);
  reply.header("link", `<${path}?${query.toString()}>; rel="next"`);
}

export interface ListOrder<T> {
  /** Name of the list: cursors of another one are refused. */
  readonly list: string;
  /** Unique among the entries, never changing; entries stand in the order of their keys. */
  readonly keyOf: (entry: T) => string;
  readonly newestFirst: boolean;
}

/**
 * One page of a list that is in memory as a whole, because it is short by nature. Entries that come or go meanwhile neither
 * repeat nor hide others.
 */
export function pageThrough<T>(
  reply: FastifyReply,
  request: PageRequest,
  entries: readonly T[],
  { list, keyOf, newestFirst }: ListOrder<T>,
): T[] {
  const page = requestedPage(list, request);
  if (!page) return [...entries];
  const { after, limit } = page;
  const sign = newestFirst ? -1 : 1;
  const rest = entries
    .map((entry) => ({ entry, key: keyOf(entry) }))
    .filter(({ key }) => after === undefined || sign * compare(key, after) > 0)
    .sort((one, other) => sign * compare(one.key, other.key));
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  if (rest.length > limit && last) linkNextPage(reply, request, list, last.key);
  return shown.map(({ entry }) => entry);
}

/** Key of an entry in a list by time. */
export function timeKey(at: Date | number, id: string): string {
  return `${String(Number(at)).padStart(16, "0")}.${id}`;
}

function cursorOf(list: string, key: string): string {
  return Buffer.from(`${list}:${key}`).toString("base64url");
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf(":");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
