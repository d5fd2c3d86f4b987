import { Code, ConnectError } from "@connectrpc/connect";
import { problemOf, randomHex } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { FilesystemEvent } from "../generated/filesystem_pb.ts";

/** Events that a watcher keeps for a client that does not ask for them. */
const MOST_EVENTS = 10_000;
/** Watchers that one sandbox may have. */
const MOST_WATCHERS = 64;
/** A watcher that nobody asks is given up after this. */
const FORGOTTEN_MS = 60 * 60_000;
const ID_BYTES = 16;

interface Watcher {
  readonly sandboxId: string;
  readonly end: AbortController;
  events: FilesystemEvent[];
  /** Thrown at the next look, once. */
  problem: unknown;
  askedAt: number;
}

export interface WatchersDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/** Watches whose clients ask for what has changed, instead of following a stream. */
export class Watchers {
  readonly #deps: WatchersDeps;
  readonly #watchers = new Map<string, Watcher>();

  constructor(deps: WatchersDeps) {
    this.#deps = deps;
  }

  /**
   * Makes a watcher of what `watch` gives.
   *
   * @returns its id. @throws ConnectError `resource_exhausted`, and what `watch` throws.
   */
  async add(
    sandboxId: string,
    watch: (signal: AbortSignal) => Promise<AsyncIterable<FilesystemEvent>>,
  ): Promise<string> {
    const { clock, random } = this.#deps;
    this.#dropForgotten();
    const own = [...this.#watchers.values()].filter((watcher) => watcher.sandboxId === sandboxId);
    if (own.length >= MOST_WATCHERS)
      throw new ConnectError(`a sandbox has at most ${MOST_WATCHERS} watchers`, Code.ResourceExhausted);
    const id = randomHex(random, ID_BYTES);
    const end = new AbortController();
    const watcher: Watcher = { sandboxId, end, events: [], problem: undefined, askedAt: clock.now() };
    // Its place is taken at once, so that concurrent calls stay within the limit.
    this.#watchers.set(id, watcher);
    try {
      const events = await watch(end.signal);
      this.#collect(watcher, events).catch((error: unknown) => {
        if (!end.signal.aborted) watcher.problem = error;
      });
      return id;
    } catch (error) {
      this.#watchers.delete(id);
      throw error;
    }
  }

  /** What has changed since the last call. @throws ConnectError `not_found`; `data_loss` once when events were lost. */
  take(sandboxId: string, id: string): readonly FilesystemEvent[] {
    const watcher = this.#find(sandboxId, id);
    watcher.askedAt = this.#deps.clock.now();
    const { events, problem } = watcher;
    if (events.length === 0 && problem !== undefined) {
      watcher.problem = undefined;
      throw problem;
    }
    watcher.events = [];
    return events;
  }

  /** @throws ConnectError `not_found`. */
  remove(sandboxId: string, id: string): void {
    this.#end(id, this.#find(sandboxId, id));
  }

  /** Ends all of them. */
  close(): void {
    for (const [id, watcher] of this.#watchers) this.#end(id, watcher);
  }

  async #collect(watcher: Watcher, events: AsyncIterable<FilesystemEvent>): Promise<void> {
    for await (const event of events) {
      if (watcher.events.length < MOST_EVENTS) watcher.events.push(event);
      else
        watcher.problem ??= new ConnectError(
          `more than ${MOST_EVENTS} changes waited: list the directory`,
          Code.DataLoss,
        );
    }
  }

  #find(sandboxId: string, id: string): Watcher {
    const watcher = this.#watchers.get(id);
    if (watcher?.sandboxId !== sandboxId)
      throw new ConnectError(`watcher with id ${id.slice(0, 100)} not found`, Code.NotFound);
    return watcher;
  }

  #dropForgotten(): void {
    const oldest = this.#deps.clock.now() - FORGOTTEN_MS;
    for (const [id, watcher] of this.#watchers) if (watcher.askedAt < oldest) this.#end(id, watcher);
  }

  #end(id: string, watcher: Watcher): void {
    this.#watchers.delete(id);
    watcher.end.abort(new Error("the watcher was removed"));
    if (watcher.problem !== undefined)
      this.#deps.logger.info("e2b.watcher_ended", { problem: problemOf(watcher.problem) });
  }
}
