import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { EventBus } from "../events/event-bus.ts";
import type { CapsuleRows } from "./capsule-rows.ts";

/** A capsule that is destroyed loses its guest first; its row follows. */
const ROW_MS = 3000;
const POLL_MS = 50;

export interface CapsuleStatesDeps {
  readonly rows: CapsuleRows;
  readonly bus: EventBus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The state of a capsule, for the sessions that last while it changes. */
export class CapsuleStates {
  readonly #deps: CapsuleStatesDeps;

  constructor(deps: CapsuleStatesDeps) {
    this.#deps = deps;
  }

  /** Calls `onStatus` with the status now and whenever it may have changed, until the function that it returns is called. */
  follow(teamId: string, publicId: string, onStatus: (status: string) => void): () => void {
    const { bus, rows, logger } = this.#deps;
    const over = new AbortController();
    let isReading = false;
    let isHinted = false;
    const read = async (): Promise<void> => {
      isHinted = true;
      if (isReading) return;
      isReading = true;
      try {
        while (isHinted && !over.signal.aborted) {
          isHinted = false;
          const { status } = await rows.get(teamId, publicId);
          if (!over.signal.aborted) onStatus(status);
        }
      } catch (error) {
        // One that is gone ends its sessions.
        if (!WrennError.is(error, "capsule_not_found"))
          logger.warn("capsule.state_unread", { capsule: publicId, problem: problemOf(error) });
      } finally {
        isReading = false;
      }
    };
    const release = bus.subscribe(teamId, () => void read());
    void read();
    return () => {
      over.abort();
      release();
    };
  }

  /** The error of a session that ended without its guest: `capsule_destroyed` when that was why. */
  async explain(teamId: string, publicId: string, error: unknown, signal: AbortSignal): Promise<unknown> {
    const { rows, clock } = this.#deps;
    const until = clock.monotonic() + ROW_MS;
    try {
      for (;;) {
        const { status } = await rows.get(teamId, publicId);
        if (status === "stopped") return new WrennError("capsule_destroyed", {}, { cause: error });
        if (clock.monotonic() >= until) return error;
        await clock.sleep(POLL_MS, signal);
      }
    } catch (problem) {
      return WrennError.is(problem, "capsule_not_found")
        ? new WrennError("capsule_destroyed", {}, { cause: error })
        : error;
    }
  }
}
