import { formatId } from "@wrenn/core";
import type { Bell } from "@wrenn/core";
import { GAP } from "./event-kinds.ts";
import type { ActivityReport } from "./live-activity.ts";
import type { EventJson } from "./event-json.ts";
import { liveEventJson } from "./live-event-json.ts";

/** Events that wait for a client that reads slowly; what is more is counted. */
const WAITING_LIMIT = 500;

/** A gap in a stream: events of these kinds are missing. */
export interface GapJson {
  readonly event: typeof GAP;
  readonly timestamp: string;
  readonly team_id: string;
  readonly data: {
    readonly reason: "not_stored" | "too_many" | "host_unreachable";
    readonly types: readonly string[];
    readonly dropped?: number;
  };
}

export interface LiveQueueOptions {
  readonly teamId: string;
  /** Public id. */
  readonly capsule: string;
  readonly kinds: ReadonlySet<string>;
  readonly now: () => number;
  /** Rings when something waits. */
  readonly wake: Bell;
}

/** Events of one stream that are not stored, until the client takes them. */
export class LiveQueue {
  readonly #options: LiveQueueOptions;
  #waiting: (EventJson | GapJson)[] = [];
  #dropped = 0;

  constructor(options: LiveQueueOptions) {
    this.#options = options;
  }

  readonly add = ({ changes, dropped, isUnreachable }: ActivityReport): void => {
    const { kinds, wake, now } = this.#options;
    this.#dropped += dropped;
    for (const change of changes) {
      if (!kinds.has(change.type)) continue;
      if (this.#waiting.length >= WAITING_LIMIT) this.#dropped++;
      else this.#waiting.push(liveEventJson(change, { ...this.#options, at: now() }));
    }
    if (isUnreachable) this.gap("host_unreachable");
    else if (this.#waiting.length > 0 || this.#dropped > 0) wake.ring();
  };

  gap(reason: GapJson["data"]["reason"]): void {
    if (this.#waiting.length < WAITING_LIMIT) this.#waiting.push(this.#gap({ reason }));
    this.#options.wake.ring();
  }

  /** What waits, in order; when events were too many, a gap at the end says how many. */
  take(): readonly (EventJson | GapJson)[] {
    const taken = this.#waiting;
    if (this.#dropped > 0) taken.push(this.#gap({ reason: "too_many", dropped: this.#dropped }));
    this.#waiting = [];
    this.#dropped = 0;
    return taken;
  }

  #gap(data: { reason: GapJson["data"]["reason"]; dropped?: number }): GapJson {
    const { teamId, kinds, now } = this.#options;
    return {
      event: GAP,
      timestamp: new Date(now()).toISOString(),
      team_id: formatId("team", teamId),
      data: { types: [...kinds], ...data },
    };
  }
}
