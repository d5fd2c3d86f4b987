import { defined, formatId, problemOf, WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { CapsuleRow, QueuedTransactions, TeamUse, Trx } from "@wrenn/database";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { requireStorage, withinQuota } from "../teams/quotas.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import { asHostCalls } from "./host-phases.ts";
import { OPERATION_MS } from "./operations.ts";
import type { Operations } from "./operations.ts";
import { momentClaim } from "./storage-quota.ts";
import type { StorageQuota } from "./storage-quota.ts";
import type { UnansweredCreates } from "./unanswered-creates.ts";
import { asPhase } from "../http/current-phases.ts";
import type { WaitingClient } from "../http/waiting-client.ts";
import { untaggedName } from "../templates/template-name.ts";

export interface ForkOptions {
  readonly count: number;
  readonly client: WaitingClient;
}

/** A child of a fork: it runs, or could not be started. */
export type ForkedChild = { readonly row: CapsuleRow } | { readonly error: WrennError };

export interface CapsuleForksDeps {
  readonly transactions: QueuedTransactions;
  readonly rows: CapsuleRows;
  readonly unanswered: UnansweredCreates;
  readonly fleet: Fleet;
  readonly operations: Operations;
  readonly storageQuota: StorageQuota;
  readonly random: Random;
}

/** Starts capsules from the present moment of a running one. */
export class CapsuleForks {
  readonly #deps: CapsuleForksDeps;

  constructor(deps: CapsuleForksDeps) {
    this.#deps = deps;
  }

  /**
   * All children run when it resolves; when it rejects, or the client leaves before its answer, no child is left.
   *
   * @throws WrennError `capsule_not_running`, `quota_exceeded`, and of the host; `client_left`.
   */
  async fork(teamId: string, publicId: string, options: ForkOptions): Promise<readonly CapsuleRow[]> {
    return await this.#fork(teamId, publicId, options, async (source, children) => {
      const { rows } = this.#deps;
      const started = await asHostCalls(() =>
        this.#start("forkCapsule", source, children, options.client.left),
      );
      return await Promise.all(
        children.map((child, index) => rows.recordStatus(child, started[index] ?? missing(child))),
      );
    });
  }

  /**
   * Like {@link fork}, but a child that cannot be started leaves the others.
   *
   * @returns in the order of the children.
   */
  async forkEach(teamId: string, publicId: string, options: ForkOptions): Promise<readonly ForkedChild[]> {
    return await this.#fork(teamId, publicId, options, async (source, children) => {
      const { left } = options.client;
      const started = await asHostCalls(async () => {
        try {
          return await this.#start("forkEach", source, children, left);
        } catch (error) {
          // A host of an earlier version starts all of them or none.
          if (!WrennError.is(error, "route_not_found")) throw error;
          return await this.#start("forkCapsule", source, children, left);
        }
      });
      return await Promise.all(
        children.map((child, index) => this.#recordChild(child, started[index] ?? missing(child))),
      );
    });
  }

  async #recordChild(child: CapsuleRow, status: CapsuleStatus): Promise<ForkedChild> {
    const { rows } = this.#deps;
    if (status.state === "failed") {
      const problem = status.problem ?? "the host does not say why";
      await rows.change(child.id, ["pending"], { status: "error", problem });
      return { error: new WrennError("operation_failed", { operation: "starting the fork", problem }) };
    }
    try {
      return { row: await rows.recordStatus(child, status) };
    } catch (error) {
      // It was destroyed while it was started.
      if (!WrennError.is(error, "capsule_not_found")) throw error;
      return { error };
    }
  }

  async #fork<T>(
    teamId: string,
    publicId: string,
    { count, client }: ForkOptions,
    start: (source: CapsuleRow, children: readonly CapsuleRow[]) => Promise<T>,
  ): Promise<T> {
    const { rows, operations, unanswered } = this.#deps;
    const source = await rows.getInState(teamId, publicId, ["running", "paused"]);
    if (source.status === "paused" && source.kept !== "disk")
      throw new WrennError("capsule_not_running", { status: source.status });
    client.left.throwIfAborted();
    const { children, operationIds } = await asPhase("placement", () => this.#reserve(source, count));
    const ids = children.map(({ id }) => id);
    const followed = unanswered.follow(ids, client, { isRepeatable: false });
    return await operations.finish(operationIds, "fork", async () => {
      try {
        const started = await start(source, children);
        await unanswered.markAnswering(ids);
        return started;
      } catch (error) {
        if (client.left.aborted) {
          // The children are destroyed by the rule that follows the request. Until then this operation keeps them from being taken
          // for capsules whose creation was interrupted.
          await followed;
          throw error;
        }
        for (const child of children)
          await rows.change(child.id, ["pending"], { status: "error", problem: problemOf(error) });
        throw error;
      }
    });
  }

  /** Inserts the rows of the children and begins one operation on all of them and their source. */
  async #reserve(
    source: CapsuleRow,
    count: number,
  ): Promise<{ readonly children: readonly CapsuleRow[]; readonly operationIds: readonly string[] }> {
    const { operations, random, storageQuota, transactions, unanswered } = this.#deps;
    const wanted = { capsules: count, vcpus: count * source.vcpus, memoryMib: count * source.memory_mb };
    const hostId = source.host_id ?? missing(source);
    // The moment that the children start from is stored until they run.
    const claim = momentClaim(source, 0);
    const reserve = async (trx: Trx, use: TeamUse) => {
      requireStorage(use, claim);
      const children: CapsuleRow[] = [];
      for (let n = 0; n < count; n++) {
        children.push(
          await capsuleQueries.insertCapsule(trx, {
            id: random.uuid(),
            teamId: source.team_id,
            hostId,
            template: source.template,
            vcpus: source.vcpus,
            memoryMib: source.memory_mb,
            diskMib: source.disk_mb,
            timeoutSec: source.timeout_sec,
            maxLifetimeSec: source.max_lifetime_sec,
            autoResume: source.auto_resume,
            onLifetimeEnd: source.on_lifetime_end,
            metadata: source.user_metadata,
            envNames: source.env_names,
            user: source.default_user ?? undefined,
            cwd: source.default_cwd ?? undefined,
            ...defined({ network: source.network ?? undefined, ingress: source.ingress ?? undefined }),
          }),
        );
      }
      const ids = children.map(({ id }) => id);
      await unanswered.insert(trx, ids);
      return { children, operationIds: await operations.begin(trx, [source.id, ...ids], "fork", claim) };
    };
    return await storageQuota.remeasured(source.team_id, () =>
      withinQuota(transactions, source.team_id, wanted, reserve),
    );
  }

  async #start(
    way: "forkCapsule" | "forkEach",
    source: CapsuleRow,
    children: readonly CapsuleRow[],
    left: AbortSignal,
  ): Promise<readonly CapsuleStatus[]> {
    left.throwIfAborted();
    return await this.#deps.fleet.of(source)[way](
      formatId("capsule", source.id),
      children.map((child) => ({
        id: formatId("capsule", child.id),
        team: formatId("team", child.team_id),
        template: child.template,
        templateName: untaggedName(child.template),
        vcpus: child.vcpus,
        memoryMib: child.memory_mb,
        diskMib: child.disk_mb,
        timeoutSec: child.timeout_sec,
        ...(child.max_lifetime_sec > 0 ? { maxLifetimeSec: child.max_lifetime_sec } : {}),
        ...defined({ network: source.network ?? undefined }),
        onLifetimeEnd: child.on_lifetime_end,
        // Added to that of the source, whose values its host has.
        envs: {},
      })),
      AbortSignal.any([left, AbortSignal.timeout(OPERATION_MS)]),
    );
  }
}

function missing(row: CapsuleRow): never {
  throw new Error(`the host has nothing for ${row.id}`);
}
