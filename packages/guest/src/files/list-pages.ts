import { posix } from "node:path";
import { textOfBytes } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { FileEntry, FilePage, FilePageRequest } from "@wrenn/protocol";
import { GuestRefusal } from "../lane/guest-refusal.ts";
import type { Lane } from "../lane/lane.ts";
import { readEntry } from "./entry.ts";
import { encodePath } from "./names.ts";

const { operation, status } = guestChannel;
/** What agents of earlier versions answer to LIST_PAGE. */
const UNKNOWN_OPERATION = "unknown operation";
const SLASH = 0x2f;

/**
 * A page of a list, as the guest makes it; undefined when its agent is of an earlier version, which makes whole lists only.
 *
 * @param body - user and path.
 * @throws GuestRefusal
 */
export async function requestPage(
  lane: Lane,
  body: guestChannel.BodyWriter,
  { depth, limit, after }: FilePageRequest,
  signal: AbortSignal,
): Promise<FilePage | undefined> {
  const cursor = after === undefined ? new Uint8Array() : encodePath(after);
  const request = body.u32(Math.max(1, depth)).u32(limit).bytes(cursor).finish();
  try {
    const answer = await lane.request(operation.listPage, request, signal);
    const entries = answer.list(() => readEntry(answer), limit);
    const next = answer.bytes();
    return next.length === 0 ? { entries } : { entries, next: textOfBytes(next) };
  } catch (error) {
    if (!(error instanceof GuestRefusal) || error.status !== status.badRequest) throw error;
    if (error.message !== UNKNOWN_OPERATION) throw error;
    return undefined;
  }
}

/** The same page of a whole list. */
export function pageOf(
  all: readonly FileEntry[],
  { limit, after }: Pick<FilePageRequest, "limit" | "after">,
): FilePage {
  // What comes first is always in the listed directory itself, whose path is then known, however it was given.
  const base = posix.join(posix.dirname(all[0]?.path ?? "/"), "/");
  const relative = ({ path }: FileEntry): string => path.slice(base.length);
  const bound = after === undefined ? undefined : sortKey(after);
  const start =
    bound === undefined ? 0 : all.findIndex((entry) => Buffer.compare(sortKey(relative(entry)), bound) > 0);
  if (start < 0) return { entries: [] };
  const entries = all.slice(start, start + limit);
  const last = entries.at(-1);
  return last && start + limit < all.length ? { entries, next: relative(last) } : { entries };
}

/** Lists go down before they go on: a slash comes before every other byte. */
function sortKey(path: string): Buffer {
  return Buffer.from(encodePath(path).map((byte) => (byte === SLASH ? 0 : byte)));
}
