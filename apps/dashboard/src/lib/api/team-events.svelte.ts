import { WrennError } from "@wrenn/sdk";
import type { Wrenn, WrennEvent } from "@wrenn/sdk";
import { problemOf } from "./problem.ts";
import type { Problem } from "./problem.ts";

export type EventListener = (event: WrennEvent) => void;

/** How long to wait before the next attempt; then the longest again and again. */
const WAITS_MS = [500, 1000, 2000, 5000, 10_000, 20_000];

/**
 * What happens in the team, as it happens: one stream for the whole page. A lost connection is shown by `isLive`; it is tried again
 * after a while, at once when the browser is online again or the page becomes visible, and when somebody asks.
 */
export class TeamEvents {
  isLive = $state(false);
  /** Why there is no connection. */
  problem = $state.raw<Problem>();
  readonly #wrenn: Wrenn;
  readonly #renewAccess: () => Promise<void>;
  readonly #awaiters = new Set<() => void>();
  readonly #listeners = new Set<EventListener>();
  readonly #reloaders = new Set<() => void>();
  readonly #closing = new AbortController();
  #connection: AbortController | undefined;
  #wake: (() => void) | undefined;
  /** Place behind which the stream goes on. */
  #after: string | undefined;
  /** Whether the connection was lost since everything was loaded. */
  #hasLost = false;

  /**
   * @param wrenn - breaks off streams at once where their connection breaks: see `followingWrenn`.
   * @param renewAccess - called where the server refuses the token: the login may have ended.
   */
  constructor(wrenn: Wrenn, renewAccess: () => Promise<void>) {
    this.#wrenn = wrenn;
    this.#renewAccess = renewAccess;
  }

  /** @returns what ends the subscription. */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called where events may be missing or could not be looked into: what was loaded has to be loaded again. @returns what ends the subscription. */
  onGap(reload: () => void): () => void {
    this.#reloaders.add(reload);
    return () => this.#reloaders.delete(reload);
  }

  /** Waits for so long, but not beyond the next connection; then for a connection, where there is none. */
  async untilLive(waitMs: number, signal: AbortSignal): Promise<void> {
    const ended = Promise.withResolvers<void>();
    const onEnd = (): void => ended.resolve();
    const timer = setTimeout(() => {
      if (this.isLive) onEnd();
    }, waitMs);
    this.#awaiters.add(onEnd);
    signal.addEventListener("abort", onEnd);
    await ended.promise;
    clearTimeout(timer);
    this.#awaiters.delete(onEnd);
    signal.removeEventListener("abort", onEnd);
  }

  /** Tries now. */
  readonly retry = (): void => this.#wake?.();

  /** Follows until {@link close}. */
  async follow(): Promise<void> {
    const onVisible = (): void => {
      if (document.visibilityState === "visible") this.retry();
    };
    const onOffline = (): void => this.#connection?.abort(new Error("the browser is offline"));
    window.addEventListener("online", this.retry);
    window.addEventListener("offline", onOffline);
    document.addEventListener("visibilitychange", onVisible);
    try {
      for (let failures = 0; !this.#closing.signal.aborted; failures++) {
        if (await this.#followOnce()) failures = 0;
        await this.#wait(WAITS_MS[Math.min(failures, WAITS_MS.length - 1)] ?? 0);
      }
    } finally {
      window.removeEventListener("online", this.retry);
      window.removeEventListener("offline", onOffline);
      document.removeEventListener("visibilitychange", onVisible);
    }
  }

  close(): void {
    this.#closing.abort(new DOMException("the page was left", "AbortError"));
    this.#wake?.();
  }

  /** @returns whether the stream was open. */
  async #followOnce(): Promise<boolean> {
    const connection = (this.#connection = new AbortController());
    const signal = AbortSignal.any([this.#closing.signal, connection.signal]);
    try {
      // Where events were missed meanwhile, lists are loaded once the stream has a place.
      const newest = await this.#newest(signal);
      const after = this.#after ?? newest;
      if (this.#hasLost) for (const reload of this.#reloaders) reload();
      this.#hasLost = false;
      this.#after = after;
      this.isLive = true;
      this.problem = undefined;
      for (const connected of this.#awaiters) connected();
      for await (const event of this.#wrenn.events({ follow: true, after, signal })) {
        if (event.id !== undefined) this.#after = event.id;
        if (event.type === "events.gap") for (const reload of this.#reloaders) reload();
        else for (const listener of this.#listeners) listener(event);
      }
    } catch (error) {
      if (this.#closing.signal.aborted) return this.isLive;
      this.problem = problemOf(error);
      if (error instanceof WrennError && error.status === 401) await this.#renewAccess().catch(() => {});
      // The place is not kept any more.
      if (error instanceof WrennError && error.status === 410) this.#after = undefined;
    }
    // What was read in the meantime may have failed.
    this.#hasLost = true;
    const wasLive = this.isLive;
    this.isLive = false;
    return wasLive;
  }

  async #newest(signal: AbortSignal): Promise<string | undefined> {
    for await (const event of this.#wrenn.events({ limit: 1, signal })) return event.id;
    return undefined;
  }

  async #wait(ms: number): Promise<void> {
    if (this.#closing.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
