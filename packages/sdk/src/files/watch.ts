import { errorOfMessage, parseMessage } from "../errors/error-of-message.ts";
import type { ErrorMessage } from "../errors/error-of-message.ts";
import { WrennError } from "../errors/wrenn-error.ts";
import { linkSignals, orAborted } from "../transport/abort.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { invalidOption, requireKnownOptions } from "../transport/options.ts";
import { resume } from "../transport/resumable.ts";
import { openSocket } from "../transport/socket.ts";

/** Sub-protocol of the server for errors with codes. */
const PROTOCOL = "wrenn.files.watch";
/** Changes that wait for the consumer; beyond them it is told that some are missing. */
const MOST_WAITING = 1024;

/** A change below a watched path, or the notice that changes are missing. */
export type FileChange =
  | {
      readonly type: "create" | "write" | "remove" | "rename" | "chmod";
      /** Relative to the watched path; empty for itself. */
      readonly path: string;
      readonly isDirectory: boolean;
      /** Where it was before; for `rename` only. */
      readonly oldPath?: string;
    }
  /** Changes before this are missing: list the directory again. */
  | { readonly type: "overflow" }
  /** Changes in this directory, and in those below it, are not reported. */
  | {
      readonly type: "unwatched";
      /** Relative to the watched path; empty: others that are not named, after the first thousand. */
      readonly path: string;
      /**
       * `limit`: the capsule has no watches or memory left; `permission`: the user may not read it; `depth`: more than 128 levels below
       * the watched path; `unavailable`: something else.
       */
      readonly reason: "limit" | "permission" | "depth" | "unavailable";
    };

export interface WatchOptions {
  /** Also directories below. Default: false. */
  readonly recursive?: boolean | undefined;
  /** Whose permissions count. Default: root. */
  readonly user?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

type WatchMessage =
  | { readonly type: "watching" | "overflow" | "gone" | "ping" }
  | {
      readonly type: "change";
      readonly change: "create" | "write" | "remove" | "rename" | "chmod";
      readonly path: string;
      readonly directory: boolean;
      readonly old_path?: string;
    }
  | {
      readonly type: "unwatched";
      readonly path: string;
      readonly reason: "limit" | "permission" | "depth" | "unavailable";
    }
  | ErrorMessage;

/**
 * Changes of files as they happen, for `for await`. Ends when a watched directory was removed or renamed. A watched file may be replaced,
 * removed and made again: the watch ends with the directory that it is in. After a broken connection it goes on by
 * itself, with an `overflow` for what was missed meanwhile.
 *
 * Watching begins with the loop, or with {@link ready}. Leaving the loop ends it.
 */
export class FileWatch implements AsyncIterable<FileChange>, AsyncDisposable {
  readonly #changes: AsyncGenerator<FileChange, void, undefined>;
  readonly #closed = new AbortController();
  readonly #link: ReturnType<typeof linkSignals>;
  readonly #armed: Promise<void>;
  /** What {@link ready} asked for, and no consumer has taken. */
  #next: Promise<IteratorResult<FileChange, void>> | undefined;

  /** @internal */
  constructor(http: HttpClient, path: string, query: string, what: string, signal: AbortSignal | undefined) {
    this.#link = linkSignals(signal, this.#closed.signal);
    let onArmed: () => void = () => undefined;
    this.#armed = new Promise((resolve) => {
      onArmed = resolve;
    });
    let hasBegun = false;
    const open = (connection: AbortSignal): AsyncIterable<FileChange | undefined> =>
      connectionOf(http, path + query, connection, hasBegun, () => {
        hasBegun = true;
        onArmed();
      });
    const { settings } = http;
    this.#changes = resume({ what, path, settings, signal: this.#link.signal, open });
  }

  /**
   * Resolves when every later change is reported.
   *
   * @throws WrennError of the server, such as `path_not_found`; `connection_failed`; the reason of the signal.
   */
  async ready(): Promise<void> {
    this.#next ??= this.#take();
    await Promise.race([this.#armed, this.#next]);
  }

  /**
   * The changes, as they happen.
   *
   * @throws while iterating: as {@link ready}; WrennError `stream_lost` when the connection could not be resumed.
   */
  [Symbol.asyncIterator](): AsyncIterator<FileChange, void> {
    return {
      next: async () => {
        const next = this.#next ?? this.#take();
        this.#next = undefined;
        return await next;
      },
      return: async () => {
        await this.close();
        return { done: true, value: undefined };
      },
    };
  }

  /** Ends watching. Can be repeated. */
  async close(): Promise<void> {
    this.#closed.abort(CLOSED);
    await this.#next?.catch(() => undefined);
    await this.#changes.return().catch(() => undefined);
    this.#link.release();
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #take(): Promise<IteratorResult<FileChange, void>> {
    const next = this.#read();
    next.catch(() => undefined);
    return next;
  }

  async #read(): Promise<IteratorResult<FileChange, void>> {
    try {
      const next = await this.#changes.next();
      if (next.done === true) this.#link.release();
      return next;
    } catch (error) {
      this.#link.release();
      if (error === CLOSED) return { done: true, value: undefined };
      throw error;
    }
  }
}

const CLOSED = new Error("the watch was closed");

/**
 * Watches a file or directory of a capsule: `capsule.files.watch`.
 *
 * @throws WrennError `unknown_option`, `invalid_option`.
 */
export function watch(
  http: HttpClient,
  capsuleId: string,
  path: string,
  options: WatchOptions = {},
): FileWatch {
  requireKnownOptions("files.watch", options, ["recursive", "user", "signal"]);
  const { recursive = false, user, signal } = options;
  if (path === "") throw invalidOption("files.watch", "path", "must not be empty");
  const query = new URLSearchParams({ path, heartbeat: "true" });
  if (recursive) query.set("recursive", "true");
  if (user !== undefined) query.set("user", user);
  const route = `/v1/capsules/${segment(capsuleId)}/files/watch`;
  return new FileWatch(http, route, `?${query.toString()}`, `the watch of ${path}`, signal);
}

/**
 * The changes that one connection reports, and undefined for other messages.
 *
 * @param hasBegun - an earlier connection has watched.
 * @param onWatching - the server watches from now on.
 */
async function* connectionOf(
  { settings }: HttpClient,
  path: string,
  signal: AbortSignal,
  hasBegun: boolean,
  onWatching: () => void,
): AsyncGenerator<FileChange | undefined, void, undefined> {
  const messages = new Messages();
  const link = linkSignals(signal);
  try {
    const socket = await openSocket(
      settings,
      { path, protocols: [PROTOCOL], signal: link.signal },
      { onMessage: (data) => messages.add(data), onEnd: ({ reason }) => messages.fail(broken(reason)) },
    );
    for (;;) {
      const message = await orAborted(messages.next(), signal);
      if (message.type === "gone") return socket.close();
      if (message.type === "error") throw laterOf(errorOfMessage(message), hasBegun);
      if (message.type === "watching") onWatching();
      const isMissing = message.type === "overflow" || (message.type === "watching" && hasBegun);
      if (message.type === "change") yield changeOf(message);
      else if (message.type === "unwatched")
        yield { type: "unwatched", path: message.path, reason: message.reason };
      else yield isMissing ? { type: "overflow" } : undefined;
    }
  } finally {
    link.abort(CLOSED);
    link.release();
  }
}

/** A watch that has begun waits for a paused capsule: the connection counts as broken. */
function laterOf(error: WrennError, hasBegun: boolean): WrennError {
  if (!hasBegun || error.reason !== "capsule_not_running") return error;
  return new WrennError({ ...error.toJSON(), code: "connection_lost", status: undefined }, { cause: error });
}

function changeOf(message: Extract<WatchMessage, { readonly type: "change" }>): FileChange {
  const { change: type, path, directory: isDirectory, old_path: oldPath } = message;
  return oldPath === undefined ? { type, path, isDirectory } : { type, path, isDirectory, oldPath };
}

/** Messages that wait for the consumer. */
class Messages {
  #waiting: WatchMessage[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  add(data: string | Uint8Array): void {
    try {
      const message = parseMessage(typeof data === "string" ? data : "") as WatchMessage;
      if (this.#waiting.length >= MOST_WAITING && message.type === "change")
        // None of them is more than a part of what happened.
        this.#waiting = [{ type: "overflow" }];
      else this.#waiting.push(message);
    } catch (error) {
      this.fail(error);
    }
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  async next(): Promise<WatchMessage> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message) return message;
      if (this.#failure) throw this.#failure.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function broken(problem: string): WrennError {
  return new WrennError({
    code: "connection_lost",
    message: `the connection of a watch broke${problem === "" ? "" : `: ${problem}`}`,
    remedy: "Check the network between here and the server.",
  });
}
