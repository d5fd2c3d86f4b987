import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { GuestCounters } from "@wrenn/guest";
import type { ListeningPort, ListeningPorts } from "@wrenn/protocol";
import type { Capsule } from "../capsules/capsule.ts";
import type { CapsuleRegistry } from "../capsules/capsule-registry.ts";

const ANSWER_MS = 4000;
/** Between two reports of one capsule. */
const REPORT_MS = 1000;

interface Known {
  /** Of the sockets that were listed last; undefined while none were. */
  digest: bigint | undefined;
  listeners: ListeningPorts;
  /** As it was reported last. */
  reported: string | undefined;
  reportedAt: number;
  asking: Promise<ListeningPorts> | undefined;
}

export interface ListenerWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * What listens in the capsules of this host. A guest is asked for the list only when the digest in its counters says that it changed:
 * an idle capsule costs nothing.
 */
export class ListenerWatch {
  readonly #registry: CapsuleRegistry;
  readonly #deps: ListenerWatchDeps;
  readonly #known = new Map<string, Known>();
  readonly #observers = new Set<(listeners: ListeningPorts) => void>();
  readonly #unsubscribe: () => void;

  constructor(registry: CapsuleRegistry, deps: ListenerWatchDeps) {
    this.#registry = registry;
    this.#deps = deps;
    this.#unsubscribe = registry.observe(({ id, state }) => {
      if (state === "gone") this.#known.delete(id);
    });
  }

  /** Looks at the counters of a capsule, and asks for the list when it differs from the one that is known. */
  noteCounters(capsule: Capsule, { listeners, listeningPorts }: GuestCounters): void {
    // It may have ended since it was asked.
    if (capsule.state !== "running") return;
    // An agent of an earlier version says only how many TCP ports there are.
    const digest = listeners ?? BigInt(listeningPorts);
    const known = this.#of(capsule.id);
    if (known.digest === digest) return this.#report(known);
    known.digest = digest;
    if (digest === 0n) return this.#note(known, [], 0);
    this.#ask(capsule, known).catch((error: unknown) => {
      known.digest = undefined;
      this.#deps.logger.debug("listeners.unknown", { capsule: capsule.id, problem: problemOf(error) });
    });
  }

  /** What listens now; in a capsule that does not run, what listened last. */
  async read(capsule: Capsule): Promise<ListeningPorts> {
    const known = this.#of(capsule.id);
    return capsule.state === "running" ? await this.#ask(capsule, known) : known.listeners;
  }

  observe(observer: (listeners: ListeningPorts) => void): () => void {
    this.#observers.add(observer);
    for (const [id, { listeners, reported }] of this.#known)
      if (reported !== undefined && this.#registry.capsules.has(id)) observer(listeners);
    return () => this.#observers.delete(observer);
  }

  close(): void {
    this.#unsubscribe();
    this.#observers.clear();
  }

  /** Callers that come while a guest is asked share its answer. */
  async #ask(capsule: Capsule, known: Known): Promise<ListeningPorts> {
    known.asking ??= this.#list(capsule, known).finally(() => (known.asking = undefined));
    return await known.asking;
  }

  async #list(capsule: Capsule, known: Known): Promise<ListeningPorts> {
    const { guest } = capsule.requireRunning();
    const { ports, total } = await capsule.unnoticed(() => guest.listeners(AbortSignal.timeout(ANSWER_MS)));
    this.#note(known, ports.toSorted(inOrder), Math.max(0, total - ports.length));
    return known.listeners;
  }

  #note(known: Known, ports: readonly ListeningPort[], unlisted: number): void {
    const { id } = known.listeners;
    known.listeners = { id, ports, unlisted, at: this.#deps.clock.now() };
    this.#report(known);
  }

  /** Reports a list that differs from the one before, at once or with the first counters after the pause between two reports. */
  #report(known: Known): void {
    const { listeners } = known;
    const text = JSON.stringify([listeners.ports, listeners.unlisted]);
    const now = this.#deps.clock.monotonic();
    if (text === known.reported || now - known.reportedAt < REPORT_MS || listeners.at === 0) return;
    known.reported = text;
    known.reportedAt = now;
    for (const observer of this.#observers) observer(listeners);
  }

  #of(id: string): Known {
    const known = this.#known.get(id);
    if (known) return known;
    const made: Known = {
      digest: undefined,
      listeners: { id, ports: [], unlisted: 0, at: 0 },
      reported: undefined,
      reportedAt: -Infinity,
      asking: undefined,
    };
    this.#known.set(id, made);
    return made;
  }
}

function inOrder(a: ListeningPort, b: ListeningPort): number {
  return a.protocol.localeCompare(b.protocol) || a.port - b.port || a.address.localeCompare(b.address);
}
