import { withDeadline, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleRoutes, CapsuleRoute } from "./capsule-route.ts";

/** A route without an address for requests never leaves this table. */
export interface LiveRoute extends CapsuleRoute {
  readonly address: string;
}

interface Entry {
  readonly route: Promise<CapsuleRoute | undefined>;
  readonly askedAt: number;
}

/** Events make entries invalid; the age is only the net below them. */
const MAX_AGE_MS = 5000;
const MAX_ENTRIES = 10_000;
const FIND_MS = 10_000;

/** Routes of capsules that were used lately: a busy capsule does not cost a look-up for each request. */
export class RouteTable {
  readonly #entries = new Map<string, Entry>();
  readonly #waking = new Map<string, Promise<void>>();
  readonly #capsules: CapsuleRoutes;
  readonly #clock: Clock;
  readonly #resumeMs: number;
  readonly #closed: AbortSignal;

  constructor(directory: CapsuleRoutes, clock: Clock, wakeMs: number, closed: AbortSignal) {
    this.#capsules = directory;
    this.#clock = clock;
    this.#resumeMs = wakeMs;
    this.#closed = closed;
  }

  /** @throws WrennError `capsule_not_found`. */
  async find(capsuleId: string): Promise<CapsuleRoute> {
    const known = this.#entries.get(capsuleId);
    const fresh = known && this.#clock.monotonic() - known.askedAt < MAX_AGE_MS;
    const route = await (fresh ? known.route : this.#ask(capsuleId));
    if (!route) throw new WrennError("capsule_not_found", {});
    return route;
  }

  /**
   * The route of a running capsule; a paused one that has `autoResume` is resumed first.
   *
   * @throws WrennError `capsule_not_found`, `capsule_not_running`, `deadline_exceeded`.
   */
  async live(capsuleId: string, found: CapsuleRoute): Promise<LiveRoute> {
    if (isLive(found)) return found;
    if (!found.autoResume) throw new WrennError("capsule_not_running", { status: found.status });
    await this.#resume(capsuleId);
    this.invalidate(capsuleId);
    const woken = await this.find(capsuleId);
    if (isLive(woken)) return woken;
    throw new WrennError("capsule_not_running", { status: woken.status });
  }

  /** Remembers a route that was found elsewhere just now. */
  learn(capsuleId: string, route: CapsuleRoute): void {
    this.#remember(capsuleId, Promise.resolve(route));
  }

  invalidate(capsuleId: string): void {
    this.#entries.delete(capsuleId);
  }

  async #ask(capsuleId: string): Promise<CapsuleRoute | undefined> {
    const route = withDeadline("finding the capsule", FIND_MS, this.#closed, async (signal) =>
      this.#capsules.find(capsuleId, signal),
    );
    const entry = this.#remember(capsuleId, route);
    const forget = (): void => {
      if (this.#entries.get(capsuleId) === entry) this.#entries.delete(capsuleId);
    };
    try {
      const found = await route;
      // Nothing is remembered about ids that do not exist: a capsule may be created under one any moment.
      if (!found) forget();
      return found;
    } catch (error) {
      forget();
      throw error;
    }
  }

  #remember(capsuleId: string, route: Entry["route"]): Entry {
    const entry = { route, askedAt: this.#clock.monotonic() };
    this.#entries.delete(capsuleId);
    this.#entries.set(capsuleId, entry);
    if (this.#entries.size > MAX_ENTRIES) this.#entries.delete(this.#entries.keys().next().value ?? "");
    return entry;
  }

  async #resume(capsuleId: string): Promise<void> {
    let waking = this.#waking.get(capsuleId);
    if (!waking) {
      waking = withDeadline("waking the capsule", this.#resumeMs, this.#closed, async (signal) =>
        this.#capsules.resume(capsuleId, signal),
      ).finally(() => this.#waking.delete(capsuleId));
      this.#waking.set(capsuleId, waking);
    }
    await waking;
  }
}

function isLive(route: CapsuleRoute): route is LiveRoute {
  return route.address !== undefined;
}
