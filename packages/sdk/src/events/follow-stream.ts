import { isWrennError } from "../errors/wrenn-error.ts";
import { connectionLost } from "../transport/answer.ts";
import type { HttpClient, QueryValue } from "../transport/http.ts";
import { resume } from "../transport/resumable.ts";
import { serverSentEvents } from "../transport/server-sent-events.ts";

/** A route that answers with server-sent events and continues behind the `Last-Event-ID` that it is given. */
export interface FollowedStream<T> {
  /** What messages call it, such as `the log of capsule cl-…`. */
  readonly what: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, QueryValue>> | undefined;
  /** Place behind which it begins. */
  readonly after?: string | undefined;
  readonly itemOf: (data: string, id: string | undefined) => T;
  /** Whether a body that ended in good order was the last one; otherwise the server that sent it is going. */
  readonly isOver: (signal: AbortSignal) => Promise<boolean>;
  readonly signal?: AbortSignal | undefined;
}

/** The comment with which a stream of events says where it begins. */
const PLACE = /^\d+$/;

/**
 * The items of the events, each once and in order, over as many connections as it takes.
 *
 * @throws WrennError of the refusal, `stream_lost`; the reason of the signal.
 */
export function followStream<T>(
  http: HttpClient,
  { what, path, query, after, itemOf, isOver, signal }: FollowedStream<T>,
): AsyncGenerator<T, void, undefined> {
  let place = after;
  let hasBegun = false;
  async function* open(connection: AbortSignal): AsyncGenerator<T | undefined, void, undefined> {
    const headers = {
      accept: "text/event-stream",
      ...(place === undefined ? {} : { "last-event-id": place }),
    };
    // Later connections are repeated by the loop that resumes the stream.
    const request = { query, headers, signal: connection, isSafeToRepeat: !hasBegun };
    const answer = await reopened(connection, http.request("GET", path, request));
    if (answer === undefined) return;
    hasBegun = true;
    yield undefined;
    for await (const { id, data, comment } of serverSentEvents(answer.chunks())) {
      if (comment !== undefined && place === undefined && PLACE.test(comment)) place = comment;
      place = id ?? place;
      yield data === undefined ? undefined : itemOf(data, id);
    }
    if (!(await isOver(connection))) throw connectionLost(answer.what, new Error("the server closed it"));
  }
  /** What it is about may have ended since the last connection broke off; then the stream ends, too. */
  async function reopened<A>(connection: AbortSignal, answer: Promise<A>): Promise<A | undefined> {
    try {
      return await answer;
    } catch (error) {
      const isGone = hasBegun && isWrennError(error, "not_found");
      if (isGone && (await isOver(connection))) return undefined;
      throw error;
    }
  }
  return resume({ what, path, settings: http.settings, signal, open });
}
