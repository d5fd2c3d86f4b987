import { WrennError } from "../errors/wrenn-error.ts";
import type { HttpClient, QueryValue } from "./http.ts";
import { invalidOption } from "./options.ts";

/** How much of a list is read. */
export interface PageOptions {
  /** Entries of one request, 1 to 1000. Default: 100. */
  readonly pageSize?: number | undefined;
  /** Entries in all. Default: all. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const pageOptionNames = [
  "pageSize",
  "limit",
  "signal",
] as const satisfies readonly (keyof PageOptions)[];

const PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;

interface ListRequest {
  /** The call, for messages. */
  readonly call: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, QueryValue>>;
}

/**
 * The entries of a list, page by page as they are read. It can be iterated several times; each time reads the list again.
 *
 * @throws WrennError `invalid_option`.
 */
export function listOf<Entry>(
  http: HttpClient,
  { call, path, query }: ListRequest,
  { pageSize = PAGE_SIZE, limit = Number.POSITIVE_INFINITY, signal }: PageOptions,
  entryOf: (wire: never) => Entry,
): AsyncIterable<Entry> {
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > MAX_PAGE_SIZE)
    throw invalidOption(call, "pageSize", `must be a whole number from 1 to ${MAX_PAGE_SIZE}`);
  if (Number.isNaN(limit) || limit < 0) throw invalidOption(call, "limit", "must be a number from 0");
  return {
    async *[Symbol.asyncIterator]() {
      let cursor: string | undefined;
      for (let left = limit; left > 0;) {
        const page = { ...query, limit: Math.min(pageSize, left), cursor };
        const { entries, next } = await http.read("GET", path, { query: page, signal }, async (answer) => ({
          entries: entriesOf(await answer.json<unknown>(), path),
          next: answer.headers.get("x-next-cursor") ?? undefined,
        }));
        for (const entry of entries) yield entryOf(entry);
        left -= entries.length;
        if (next === undefined) return;
        cursor = next;
      }
    },
  };
}

/** @throws WrennError `invalid_answer` for what is no list: another program's answer. */
function entriesOf(answer: unknown, path: string): readonly never[] {
  if (Array.isArray(answer)) return answer as readonly unknown[] as readonly never[];
  throw new WrennError({
    code: "invalid_answer",
    message: `GET ${path} was answered with something that is not a list`,
    remedy: "Check the URL, and what proxies between here and the server answer.",
  });
}

/** The entries of an iterable; `Array.fromAsync` is not in every runtime. */
export async function collect<T>(entries: AsyncIterable<T>): Promise<readonly T[]> {
  const collected: T[] = [];
  for await (const entry of entries) collected.push(entry);
  return collected;
}
