import type { NetworkDecision } from "@wrenn/protocol";

const MAX_DECISIONS = 512;
/** A name from a guest is at most 255 bytes, each of which may be written as four characters. */
const MAX_SUBJECT = 1024;

/** The newest decisions of one slot. Equal ones are counted, so that a loop in a guest does not push the others out. */
export class DecisionLog {
  readonly #decisions = new Map<string, NetworkDecision>();

  record(decision: Omit<NetworkDecision, "count">): void {
    const subject = decision.subject.slice(0, MAX_SUBJECT);
    const key = JSON.stringify([decision.kind, subject, decision.verdict, decision.reason]);
    const count = (this.#decisions.get(key)?.count ?? 0) + 1;
    // Deleting first moves it to the young end of the map's order.
    this.#decisions.delete(key);
    this.#decisions.set(key, { ...decision, subject, count });
    if (this.#decisions.size <= MAX_DECISIONS) return;
    for (const oldest of this.#decisions.keys()) {
      this.#decisions.delete(oldest);
      return;
    }
  }

  /** Oldest first. */
  list(): readonly NetworkDecision[] {
    return [...this.#decisions.values()];
  }
}
