import { WrennError } from "@wrenn/core";

/** A connection's hold on its capsule. */
export interface Hold {
  /** Aborts when the connection has to end, or all of the capsule's are closed by force. */
  readonly signal: AbortSignal;
  /** Ends the hold; more calls do nothing. */
  release(): void;
}

/** How long connections may take to end before a pause closes them (docs/reference/hosts.md#draining). */
const DRAIN_MS = 5000;

/** Why a capsule takes no connections: it is about to be paused, or is gone. */
type Refusal = "port_draining" | "capsule_not_found";

interface Entry {
  refusal: Refusal | undefined;
  readonly holds: Set<AbortController>;
  readonly idle: (() => void)[];
}

/**
 * Which requests and connections are under way in which capsule (docs/reference/ports.md#connections), so that pausing can refuse new
 * ones, wait for the others and end what stays: nothing is half open in a snapshot.
 */
export class ConnectionTracker {
  readonly #entries = new Map<string, Entry>();
  readonly #onUse: ((capsuleId: string, isInUse: boolean) => void) | undefined;

  /** @param onUse - called when the first connection to a capsule begins, and when the last one has ended. */
  constructor(onUse?: (capsuleId: string, isInUse: boolean) => void) {
    this.#onUse = onUse;
  }

  /**
   * @param controller - ends the connection when it aborts, for whichever reason.
   * @throws WrennError `port_draining` from `drain` until `reset`; `capsule_not_found` from `end` on.
   */
  acquire(capsuleId: string, controller = new AbortController()): Hold {
    const entry = this.#entryOf(capsuleId);
    if (entry.refusal) throw new WrennError(entry.refusal, {});
    entry.holds.add(controller);
    if (entry.holds.size === 1) this.#onUse?.(capsuleId, true);
    return {
      signal: controller.signal,
      release: () => {
        if (!entry.holds.delete(controller) || entry.holds.size > 0) return;
        for (const wake of entry.idle.splice(0)) wake();
        if (!entry.refusal) this.#entries.delete(capsuleId);
        this.#onUse?.(capsuleId, false);
      },
    };
  }

  /** How many connections hold the capsule now. */
  count(capsuleId: string): number {
    return this.#entries.get(capsuleId)?.holds.size ?? 0;
  }

  /**
   * Refuses new connections and waits up to `ms` milliseconds for the others to end.
   *
   * @returns whether none is left. Connections stay refused either way, until `reset`.
   */
  async drain(capsuleId: string, ms: number, signal?: AbortSignal): Promise<boolean> {
    const entry = this.#entryOf(capsuleId);
    entry.refusal ??= "port_draining";
    if (entry.holds.size === 0) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    entry.idle.push(resolve);
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    signal?.throwIfAborted();
    return entry.holds.size === 0;
  }

  /** Drains the capsule's connections before a pause, and closes those that do not end in time. */
  async drainOrClose(capsuleId: string, signal: AbortSignal): Promise<void> {
    if (!(await this.drain(capsuleId, DRAIN_MS, signal))) this.forceClose(capsuleId);
  }

  /** Ends every connection of the capsule at once. */
  forceClose(capsuleId: string): void {
    const entry = this.#entries.get(capsuleId);
    for (const controller of entry?.holds ?? []) {
      controller.abort(new WrennError(entry?.refusal ?? "port_draining", {}));
    }
  }

  /**
   * The capsule is gone: refuses new connections and ends the others at once. Its machine cannot do that any more, so that clients would wait
   * for it until their time is up.
   */
  end(capsuleId: string): void {
    this.#entryOf(capsuleId).refusal = "capsule_not_found";
    this.forceClose(capsuleId);
  }

  /** Takes connections again, or forgets the capsule: the pause failed, it runs again, or it is destroyed. */
  reset(capsuleId: string): void {
    const entry = this.#entries.get(capsuleId);
    if (!entry) return;
    entry.refusal = undefined;
    if (entry.holds.size === 0) this.#entries.delete(capsuleId);
  }

  /** Ends every connection of every capsule. */
  closeAll(): void {
    for (const capsuleId of this.#entries.keys()) this.forceClose(capsuleId);
  }

  #entryOf(capsuleId: string): Entry {
    let entry = this.#entries.get(capsuleId);
    if (!entry) {
      entry = { refusal: undefined, holds: new Set(), idle: [] };
      this.#entries.set(capsuleId, entry);
    }
    return entry;
  }
}
