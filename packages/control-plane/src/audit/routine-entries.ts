import { defined, problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { Identity } from "../http/identity.ts";
import type { AuditEntry } from "./audit-entry.ts";

/** Repetitions within this time become one entry with their number. */
const WINDOW_MS = 1000;
/** Memory for what is not written yet is bounded; beyond this entries are lost, and the log reports it. */
const MOST = 10_000;
/** How many different programs an entry for repeated commands shows. */
const COMMANDS = 8;

interface Repeated {
  readonly identity: Identity;
  readonly entry: AuditEntry;
  readonly timer: NodeJS.Timeout;
  count: number;
  /** Programs of the repetitions. */
  readonly commands: Set<string>;
}

/**
 * Audit entries of what happens often, such as commands and file calls. They are written behind the answer: the first at once,
 * repetitions by the same actor in the same capsule once a second with their number. A crash loses those of the last second.
 */
export class RoutineEntries {
  readonly #write: (identity: Identity, entry: AuditEntry) => Promise<void>;
  readonly #logger: Logger;
  readonly #repeated = new Map<string, Repeated>();
  readonly #pending = new Set<Promise<void>>();

  constructor(write: (identity: Identity, entry: AuditEntry) => Promise<void>, logger: Logger) {
    this.#write = write;
    this.#logger = logger;
  }

  record(identity: Identity, entry: AuditEntry): void {
    const actor = identity.session?.userId ?? identity.key?.id ?? "";
    const key = [identity.teamId, actor, entry.resourceId, entry.action, entry.metadata?.["outcome"]].join(
      " ",
    );
    const known = this.#repeated.get(key);
    if (known) {
      known.count += 1;
      const cmd = entry.metadata?.["cmd"];
      if (cmd !== undefined && known.commands.size < COMMANDS) known.commands.add(cmd);
      return;
    }
    if (this.#repeated.size >= MOST || this.#pending.size >= MOST) {
      this.#logger.error("audit.entry_lost", {
        action: entry.action,
        problem: "too many wait to be written",
      });
      return;
    }
    const timer = setTimeout(() => this.#end(key), WINDOW_MS).unref();
    this.#repeated.set(key, { identity, entry, timer, count: 0, commands: new Set() });
    this.#begin(identity, entry);
  }

  /** Writes what is still counted, and waits until everything is written. */
  async close(): Promise<void> {
    for (const key of this.#repeated.keys()) this.#end(key);
    await this.settle();
  }

  /** Waits until everything that was handed over is written; repetitions are still counted. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #end(key: string): void {
    const repeated = this.#repeated.get(key);
    if (!repeated) return;
    clearTimeout(repeated.timer);
    this.#repeated.delete(key);
    const { identity, entry, count, commands } = repeated;
    if (count === 0) return;
    // What the first one was about is not what the others were about.
    const outcome = entry.metadata?.["outcome"];
    const cmd = commands.size > 0 ? [...commands].join(", ") : undefined;
    this.#begin(identity, { ...entry, metadata: defined({ outcome, cmd, count: String(count) }) });
  }

  #begin(identity: Identity, entry: AuditEntry): void {
    const pending = this.#write(identity, entry)
      .catch((error: unknown) =>
        this.#logger.error("audit.entry_lost", { action: entry.action, problem: problemOf(error) }),
      )
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }
}
