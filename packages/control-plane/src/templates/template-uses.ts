import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { templateUseQueries } from "@wrenn/database";
import type { Database, SpawnsOfVersion, TemplateUse } from "@wrenn/database";

const FLUSH_MS = 10_000;

export interface TemplateUsesDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Counts capsules that are started from templates. The counts are written for many of them at once: creates from one template do not
 * wait for its row. A crash loses those of the last 10 s.
 */
export class TemplateUses {
  readonly #deps: TemplateUsesDeps;
  #spawns = new Map<string, SpawnsOfVersion>();
  readonly #timer: NodeJS.Timeout;

  constructor(deps: TemplateUsesDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => {
      this.#flush().catch((error: unknown) =>
        deps.logger.warn("template.uses_not_written", { problem: problemOf(error) }),
      );
    }, FLUSH_MS);
    this.#timer.unref();
  }

  /** A capsule was started from a version. */
  add(hostKey: string): void {
    const lastAt = new Date(this.#deps.clock.now());
    this.#spawns.set(hostKey, { hostKey, count: (this.#spawns.get(hostKey)?.count ?? 0) + 1, lastAt });
  }

  /** The use of all templates of a team, or of one, by name: with what was counted here until now. */
  async list(teamId: string, name?: string): Promise<ReadonlyMap<string, TemplateUse>> {
    await this.#flush();
    return await templateUseQueries.listTemplateUses(this.#deps.database.db, teamId, name);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const spawns = this.#spawns;
    this.#spawns = new Map();
    try {
      await templateUseQueries.addSpawns(this.#deps.database.db, [...spawns.values()]);
    } catch (error) {
      for (const { hostKey, count, lastAt } of spawns.values()) {
        const since = this.#spawns.get(hostKey);
        const sum = { hostKey, count: count + (since?.count ?? 0), lastAt: since?.lastAt ?? lastAt };
        this.#spawns.set(hostKey, sum);
      }
      throw error;
    }
  }
}
