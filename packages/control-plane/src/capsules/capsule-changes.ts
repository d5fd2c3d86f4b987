import { defined, formatId, KeyedQueue, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleListQueries, capsuleSettingQueries } from "@wrenn/database";
import type { CapsuleRow, CapsuleSettings, Database, Trx } from "@wrenn/database";
import type { LifetimeEnd, NetworkRules, SettingsChange } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { currentActor } from "../http/current-identity.ts";
import { requireUsableName, validateMetadata } from "./capsule-fields.ts";
import type { CapsuleRows } from "./capsule-rows.ts";

const CALL_MS = 30_000;
/** How long a change that its host has to carry out waits for a capsule that is being created. */
const STARTING_MS = 4000;
/** The end of a run lies at most this far in the future. */
const MAX_AHEAD_MS = 2_592_000_000;

/** What a caller changes; what is absent stays. */
export interface RequestedChange {
  /** Null: it has no name from now on. */
  readonly name?: string | null | undefined;
  /** Pairs to add or replace, and null for those to remove; null for all. */
  readonly metadata?: Readonly<Record<string, string | null>> | null | undefined;
  readonly timeoutSec?: number | undefined;
  readonly maxLifetimeSec?: number | undefined;
  readonly onLifetimeEnd?: LifetimeEnd | undefined;
  readonly autoResume?: boolean | undefined;
  readonly network?: NetworkRules | undefined;
}

/** Where the end of a run is moved: later by some seconds, or to some seconds from now, where wanted only if that is later. */
export type Extension =
  | { readonly bySec: number }
  | { readonly fromNowSec: number; readonly onlyLater?: boolean };

export interface CapsuleChangesDeps {
  readonly database: Database;
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Changes capsules that exist. A change is all or nothing: its host carries out its part first, and takes it back when the rest
 * cannot be recorded. Changes of one capsule follow each other.
 */
export class CapsuleChanges {
  readonly #deps: CapsuleChangesDeps;
  readonly #queue = new KeyedQueue();

  constructor(deps: CapsuleChangesDeps) {
    this.#deps = deps;
  }

  /**
   * @throws WrennError `nothing_to_change`, `capsule_ended`, `capsule_name_taken`, `capsule_name_reserved`,
   * `metadata_too_large`, `capsule_not_running` for one whose host has to carry out a part and that neither runs nor is paused.
   */
  async change(teamId: string, publicId: string, request: RequestedChange): Promise<CapsuleRow> {
    const { name, ...rest } = defined(request);
    if (Object.keys(defined(request)).length === 0) throw new WrennError("nothing_to_change", {});
    if (typeof name === "string") requireUsableName(name);
    return await this.#queue.run(publicId, async () => {
      const { rows } = this.#deps;
      const { timeoutSec, maxLifetimeSec, onLifetimeEnd, network } = rest;
      const ofHost: SettingsChange = defined({
        timeoutSec,
        maxLifetimeSec,
        onLifetimeEnd,
        network,
        remainingSec: maxLifetimeSec === undefined ? undefined : null,
      });
      const isForHost = Object.keys(ofHost).length > 0;
      const row = await rows.getCreated(teamId, publicId, isForHost ? STARTING_MS : 0);
      requireLiving(row);
      if (isForHost) requireOnHost(row);
      mergedMetadata(row, request);
      if (typeof name === "string") await this.#requireFreeName(this.#deps.database.db, row, name);
      await rows.touch(row.id);
      return await this.#carryOut(row, isForHost ? ofHost : undefined, async (trx) => {
        if (typeof name === "string") {
          await capsuleSettingQueries.lockNames(trx, teamId);
          await this.#requireFreeName(trx, row, name);
        }
        const current = (await capsuleSettingQueries.lockCapsule(trx, row.id)) ?? row;
        requireLiving(current);
        return {
          ...defined({
            name,
            metadata: mergedMetadata(current, request),
            timeoutSec,
            maxLifetimeSec,
            onLifetimeEnd,
            network,
            autoResume: request.autoResume,
          }),
          ...(maxLifetimeSec === undefined ? {} : { extendedUntil: null }),
        };
      });
    });
  }

  /**
   * Moves the end of the present run of a running capsule.
   *
   * @throws WrennError `capsule_not_running`, `lifetime_unlimited`, `invalid_field` for an end more than 30 days away.
   */
  async extend(teamId: string, publicId: string, extension: Extension): Promise<CapsuleRow> {
    return await this.#queue.run(publicId, async () => {
      const { rows, clock } = this.#deps;
      const row = await rows.getCreated(teamId, publicId, STARTING_MS);
      requireLiving(row);
      if (row.status === "missing") throw new WrennError("host_unavailable", {});
      if (row.status !== "running") throw new WrennError("capsule_not_running", { status: row.status });
      const now = clock.now();
      const end = "fromNowSec" in extension ? now + extension.fromNowSec * 1000 : later(row, extension.bySec);
      const isLater = end > (endOfRun(row)?.getTime() ?? Infinity);
      if ("fromNowSec" in extension && extension.onlyLater === true && !isLater) return row;
      if (end - now > MAX_AHEAD_MS)
        throw new WrennError("invalid_field", {
          field: "fromNowSec" in extension ? "from_now_sec" : "by_sec",
          problem: "must not move the end beyond 30 days from now",
        });
      await rows.touch(row.id);
      const remainingSec = Math.max(0, (end - now) / 1000);
      return await this.#carryOut(row, { remainingSec }, async (trx) => {
        const current = (await capsuleSettingQueries.lockCapsule(trx, row.id)) ?? row;
        // Its run ended in the meantime: the next one has its own end.
        if (current.status !== "running")
          throw new WrennError("capsule_not_running", { status: current.status });
        return { extendedUntil: new Date(end) };
      });
    });
  }

  /** Records a network policy that the host of a capsule has taken. */
  async recordNetwork(row: CapsuleRow, network: NetworkRules): Promise<void> {
    await this.#record(row, async () => ({ network }));
  }

  async #requireFreeName(db: Trx | Database["db"], row: CapsuleRow, name: string): Promise<void> {
    if (name === row.name) return;
    const taken = await capsuleListQueries.findTakenNames(db, row.team_id, [name]);
    if (taken.has(name)) throw new WrennError("capsule_name_taken", { name });
  }

  /** The host's part, then the record; when that fails the host gets back what it had. */
  async #carryOut(
    row: CapsuleRow,
    ofHost: SettingsChange | undefined,
    settings: (trx: Trx) => Promise<CapsuleSettings>,
  ): Promise<CapsuleRow> {
    if (!ofHost) return await this.#record(row, settings);
    const { fleet, clock, logger } = this.#deps;
    const publicId = formatId("capsule", row.id);
    const apply = async (change: SettingsChange): Promise<void> =>
      await fleet.of(row).changeSettings(publicId, change, AbortSignal.timeout(CALL_MS));
    await apply(ofHost);
    try {
      return await this.#record(row, settings);
    } catch (error) {
      await apply(before(row, ofHost, clock.now())).catch((problem: unknown) =>
        logger.warn("capsule.change_not_undone", { capsule: publicId, problem: problemOf(problem) }),
      );
      throw error;
    }
  }

  async #record(row: CapsuleRow, settings: (trx: Trx) => Promise<CapsuleSettings>): Promise<CapsuleRow> {
    const { database, clock } = this.#deps;
    const at = new Date(clock.now());
    return await database.db.transaction().execute(async (trx) => {
      const changed = await settings(trx);
      return await capsuleSettingQueries.changeSettings(trx, row.id, changed, { at, actor: currentActor() });
    });
  }
}

/** When the present run of a capsule ends; undefined when it has no end. */
export function endOfRun(row: Pick<CapsuleRow, "max_lifetime_sec" | "running_since" | "extended_until">) {
  const { max_lifetime_sec: seconds, running_since: since, extended_until: extended } = row;
  if (since === null) return undefined;
  if (extended !== null) return extended;
  return seconds === 0 ? undefined : new Date(since.getTime() + seconds * 1000);
}

function later(row: CapsuleRow, seconds: number): number {
  const end = endOfRun(row);
  if (!end) throw new WrennError("lifetime_unlimited", {});
  return end.getTime() + seconds * 1000;
}

/** The metadata of a capsule after a change; undefined when it does not change. */
function mergedMetadata(row: CapsuleRow, { metadata }: RequestedChange): Record<string, string> | undefined {
  if (metadata === undefined) return undefined;
  const merged = new Map(metadata === null ? [] : Object.entries(row.user_metadata));
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (value === null) merged.delete(key);
    else merged.set(key, value);
  }
  const result = Object.fromEntries(merged);
  validateMetadata(result);
  return result;
}

function requireLiving({ status }: CapsuleRow): void {
  if (status === "stopped" || status === "error") throw new WrennError("capsule_ended", { status });
}

function requireOnHost({ status }: CapsuleRow): void {
  if (status === "missing") throw new WrennError("host_unavailable", {});
  if (status !== "running" && status !== "paused") throw new WrennError("capsule_not_running", { status });
}

/** What a host had of the settings that a change names. */
function before(row: CapsuleRow, change: SettingsChange, now: number): SettingsChange {
  const { extended_until: extended } = row;
  return {
    ...(change.timeoutSec === undefined ? {} : { timeoutSec: row.timeout_sec }),
    ...(change.maxLifetimeSec === undefined ? {} : { maxLifetimeSec: row.max_lifetime_sec }),
    ...(change.onLifetimeEnd === undefined ? {} : { onLifetimeEnd: row.on_lifetime_end }),
    ...(change.network === undefined
      ? {}
      : { network: row.network ?? { egress: "allow", allow: [], deny: [] } }),
    ...(change.remainingSec === undefined
      ? {}
      : { remainingSec: extended ? Math.max(0, (extended.getTime() - now) / 1000) : null }),
  };
}
