import { defined, formatId, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { placeCapsule } from "../hosts/placement.ts";
import type { CapacityPolicy } from "../hosts/placement.ts";
import { asPhase } from "../http/current-phases.ts";
import type { TemplateCopies } from "../templates/template-copies.ts";
import type { FoundTemplate } from "../templates/templates.ts";
import { untaggedName } from "../templates/template-name.ts";
import type { SizedRequest } from "./create-request.ts";
import { asHostCall } from "./host-phases.ts";
import type { Reservation } from "./reservations.ts";

/** A capsule that is about to be started. */
export interface CapsuleStart extends Reservation {
  readonly teamId: string;
  readonly template: FoundTemplate;
  /** The request with the sizes of the template, where it fixes them. */
  readonly sized: SizedRequest;
  readonly moment: string | undefined;
  /** Aborts when the capsule is no longer to be made. */
  readonly signal: AbortSignal;
}

export interface CapsuleStartsDeps {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly capacity: CapacityPolicy;
  readonly copies: Pick<TemplateCopies, "ensure" | "forget">;
  readonly logger: Logger;
}

/** Has hosts start capsules, with templates that are copied to them where that is needed. */
export class CapsuleStarts {
  readonly #deps: CapsuleStartsDeps;

  constructor(deps: CapsuleStartsDeps) {
    this.#deps = deps;
  }

  /** Starts a capsule on the host where it was placed, or on another one when that host fails. */
  async start(start: CapsuleStart): Promise<CapsuleStatus> {
    const tried = [start.hostId];
    let { hostId } = start;
    for (;;) {
      try {
        return await this.#startOnHost(start, hostId);
      } catch (error) {
        const isRetried = isFaultOfHost(error) && !start.signal.aborted;
        const next = isRetried ? await this.#placeElsewhere(start, tried) : undefined;
        if (next === undefined) throw error;
        this.#deps.logger.warn("capsule.placed_again", {
          capsule: formatId("capsule", start.id),
          from: formatId("host", hostId),
          to: formatId("host", next),
          problem: problemOf(error),
        });
        hostId = next;
        tried.push(next);
      }
    }
  }

  /** @returns undefined when no other host has room for it. */
  async #placeElsewhere(start: CapsuleStart, tried: readonly string[]): Promise<string | undefined> {
    const { database, fleet, capacity } = this.#deps;
    const { teamId, template, sized, id } = start;
    try {
      return await database.db.transaction().execute(async (trx) => {
        const hostId = await placeCapsule(trx, fleet, capacity, {
          teamId,
          vcpus: sized.vcpus,
          memoryMib: sized.memoryMib,
          diskMib: sized.diskMib,
          onlyHost: template.hostId,
          holders: template.holders,
          except: tried,
        });
        return (await capsuleQueries.moveCapsule(trx, id, hostId)) ? hostId : undefined;
      });
    } catch (error) {
      if (WrennError.is(error, "no_hosts") || WrennError.is(error, "host_full")) return undefined;
      throw error;
    }
  }

  async #startOnHost(start: CapsuleStart, hostId: string): Promise<CapsuleStatus> {
    const { id, teamId, template, sized, moment, signal } = start;
    signal.throwIfAborted();
    const agent = this.#deps.fleet.agent(hostId);
    const spec = {
      id: formatId("capsule", id),
      team: formatId("team", teamId),
      template: template.hostKey,
      templateName: untaggedName(sized.template),
      vcpus: sized.vcpus,
      memoryMib: sized.memoryMib,
      diskMib: sized.diskMib,
      timeoutSec: sized.timeoutSec,
      ...(sized.maxLifetimeSec > 0 ? { maxLifetimeSec: sized.maxLifetimeSec } : {}),
      ...defined({
        network: sized.network,
        onLifetimeEnd: sized.onLifetimeEnd,
        user: sized.user,
        cwd: sized.cwd,
        moment,
      }),
      envs: sized.envs ?? {},
    };
    const create = async (): Promise<CapsuleStatus> =>
      await asHostCall(() => agent.createCapsule(spec, signal));
    const { hostKey, holders, hostId: onlyHost } = template;
    if (!holders || onlyHost !== undefined) return await create();
    await this.#bringTemplate(start, holders, hostId);
    try {
      return await create();
    } catch (error) {
      // Its copy was removed at this moment.
      const isGone = WrennError.is(error, "template_not_found");
      if (!isGone || !(await this.#deps.copies.forget(hostKey, hostId))) throw error;
      await this.#bringTemplate(
        start,
        holders.filter((holder) => holder !== hostId),
        hostId,
      );
      return await create();
    }
  }

  /** Copies the template to a host that does not have it; the capsule says how far that is. */
  async #bringTemplate(
    { id, template, sized, signal }: CapsuleStart,
    holders: readonly string[],
    hostId: string,
  ): Promise<void> {
    const { copies, database } = this.#deps;
    const { hostKey, diskMib } = template;
    const { vcpus, memoryMib } = template.shape ?? sized;
    const copied = { name: sized.template, hostKey, vcpus, memoryMib, diskMib };
    let isShown = false;
    const work = async (): Promise<void> =>
      await copies.ensure(copied, holders, hostId, {
        signal,
        onProgress: async ({ doneBytes, totalBytes }) => {
          isShown = true;
          await capsuleQueries.setProgress(database.db, id, {
            phase: "copying_template",
            done_bytes: doneBytes,
            total_bytes: totalBytes,
          });
        },
      });
    try {
      await (holders.includes(hostId) ? work() : asPhase("copy", work));
    } finally {
      if (isShown) await capsuleQueries.setProgress(database.db, id, null);
    }
  }
}

/** Whether another host may succeed where this one failed. */
function isFaultOfHost(error: unknown): boolean {
  return error instanceof WrennError && error.entry.fault === "system";
}
