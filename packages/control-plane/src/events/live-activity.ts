import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { NetworkDecision, ProcessFacts } from "@wrenn/protocol";
import { compareDecisions, compareProcesses } from "./activity-changes.ts";
import type { ActivityChange } from "./activity-changes.ts";

const LOOK_EVERY_MS = 1000;
const LOOK_MS = 5000;
/** Events of one capsule from one look to the next; what is more is counted. */
const PER_LOOK = 100;
/** Capsules of one team that are watched at a time, by one control plane. */
const MAX_WATCHED = 32;

/** What a running capsule does at this moment. */
export interface CapsuleActivity {
  /** Live ones, and those that exited lately. */
  readonly processes: readonly ProcessFacts[];
  readonly decisions: readonly NetworkDecision[];
}

/** Looks at capsules without using them: a capsule that is looked at still becomes idle. */
export interface ActivitySource {
  /** @returns undefined for a capsule that does not run. */
  look(teamId: string, publicId: string, signal: AbortSignal): Promise<CapsuleActivity | undefined>;
}

/** What a watcher is given after a look. */
export interface ActivityReport {
  readonly changes: readonly ActivityChange[];
  /** Changes that were too many. */
  readonly dropped: number;
  /** The host does not answer: changes until its next answer may be missing. */
  readonly isUnreachable: boolean;
}

export interface LiveActivityDeps {
  readonly source: ActivitySource;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Listener = (report: ActivityReport) => void;

interface Watch {
  readonly teamId: string;
  readonly listeners: Set<Listener>;
  readonly ended: AbortController;
  /** Resolves after the first look: what happens from then on is reported. */
  readonly begun: Promise<void>;
}

/**
 * What processes and connections of capsules do, while a stream asks for it. The capsule's host is asked once a second for all
 * streams together, so that commands cost nothing more and capsules that no one watches cost nothing.
 */
export class LiveActivity {
  readonly #deps: LiveActivityDeps;
  readonly #watches = new Map<string, Watch>();

  constructor(deps: LiveActivityDeps) {
    this.#deps = deps;
  }

  /**
   * Calls `listener` after each look that found something, from when this resolves until the returned function is called.
   *
   * @throws WrennError `limit_reached` when the team watches too many capsules.
   */
  async watch(teamId: string, publicId: string, listener: Listener): Promise<() => void> {
    const key = `${teamId} ${publicId}`;
    const watch = this.#watches.get(key) ?? this.#begin(key, teamId, publicId);
    watch.listeners.add(listener);
    await watch.begun;
    return () => {
      watch.listeners.delete(listener);
      if (watch.listeners.size > 0) return;
      watch.ended.abort(new Error("no one watches"));
      if (this.#watches.get(key) === watch) this.#watches.delete(key);
    };
  }

  #begin(key: string, teamId: string, publicId: string): Watch {
    const ofTeam = [...this.#watches.values()].filter((watch) => watch.teamId === teamId);
    if (ofTeam.length >= MAX_WATCHED)
      throw new WrennError("limit_reached", { limit: MAX_WATCHED, things: "capsules watched live" });
    const ended = new AbortController();
    const listeners = new Set<Listener>();
    const begun = Promise.withResolvers<void>();
    const watch = { teamId, listeners, ended, begun: begun.promise };
    this.#watches.set(key, watch);
    void this.#run(teamId, publicId, watch, begun.resolve);
    return watch;
  }

  async #run(teamId: string, publicId: string, watch: Watch, begun: () => void): Promise<void> {
    const { clock, source, logger } = this.#deps;
    const { signal } = watch.ended;
    let known: CapsuleActivity | undefined;
    let wasReachable = true;
    while (!signal.aborted) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
      try {
        const seen = await source.look(teamId, publicId, limit);
        // What stands still does nothing: it is compared with what it does when it runs again.
        if (seen) {
          if (known) tell(watch, changesOf(known, seen));
          known = seen;
        }
        wasReachable = true;
      } catch (error) {
        if (wasReachable && !signal.aborted) {
          logger.debug("events.look_failed", { capsule: publicId, problem: problemOf(error) });
          tell(watch, { changes: [], dropped: 0, isUnreachable: true });
        }
        wasReachable = false;
      }
      begun();
      await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
    }
  }
}

function changesOf(known: CapsuleActivity, seen: CapsuleActivity): ActivityReport {
  const changes: readonly ActivityChange[] = [
    ...compareProcesses(known.processes, seen.processes),
    ...compareDecisions(known.decisions, seen.decisions).map(
      (decision) => ({ type: "network.decision", decision }) as const,
    ),
  ];
  const sent = changes.slice(0, PER_LOOK);
  return { changes: sent, dropped: changes.length - sent.length, isUnreachable: false };
}

function tell(watch: Watch, report: ActivityReport): void {
  if (report.changes.length === 0 && report.dropped === 0 && !report.isUnreachable) return;
  for (const listener of watch.listeners) listener(report);
}
