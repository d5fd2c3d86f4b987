import { WrennError } from "@wrenn/core";
import { FILE_PAGE_LIMIT } from "@wrenn/protocol";
import type { FilePageRequest } from "@wrenn/protocol";
import { Type } from "typebox";

const DEFAULT_LIMIT = 1000;
/** A path of 4,096 bytes as JSON, in base64. */
const CURSOR_LENGTH = 40_000;

/** Fields of a list of files. Without them the list is whole. */
export const filePageFields = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: FILE_PAGE_LIMIT,
      description: `Most entries of one page; with only a cursor ${DEFAULT_LIMIT}, without either all`,
    }),
  ),
  cursor: Type.Optional(
    Type.String({ maxLength: CURSOR_LENGTH, description: "`next_cursor` of the page before" }),
  ),
};

/**
 * The page that a request asks for; undefined for the whole list.
 *
 * @throws WrennError `invalid_field` for a cursor that no list of files gave out.
 */
export function requestedFilePage({
  limit,
  cursor,
}: {
  readonly limit?: number;
  readonly cursor?: string;
}): Pick<FilePageRequest, "limit" | "after"> | undefined {
  if (cursor !== undefined) return { limit: limit ?? DEFAULT_LIMIT, after: pathOf(cursor) };
  return limit === undefined ? undefined : { limit };
}

/** The cursor of the page that follows the entry at `path`. JSON keeps bytes of names that are not UTF-8. */
export function fileCursor(path: string): string {
  return Buffer.from(JSON.stringify({ after: path })).toString("base64url");
}

function pathOf(cursor: string): string {
  try {
    const { after } = JSON.parse(Buffer.from(cursor, "base64url").toString()) as { readonly after?: unknown };
    if (typeof after === "string" && after !== "" && fileCursor(after) === cursor) return after;
  } catch {
    // Refused below.
  }
  throw new WrennError("invalid_field", { field: "cursor", problem: "was not given out by a list of files" });
}
