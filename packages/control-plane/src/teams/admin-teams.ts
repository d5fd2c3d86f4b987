import { formatId, WrennError } from "@wrenn/core";
import { adminTeamQueries, memberQueries, portQueries, teamQueries } from "@wrenn/database";
import type { Database, ListedTeam, LiveSession, Member, TeamLimits, Trx } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";

export interface AdminTeamsDeps {
  readonly database: Database;
  readonly audit: AuditLog;
}

/** Every team, for administrators of the platform (docs/reference/rest-api.md#administration). Who asks has been found to be one. */
export class AdminTeams {
  readonly #deps: AdminTeamsDeps;

  constructor(deps: AdminTeamsDeps) {
    this.#deps = deps;
  }

  async list(offset: number, limit: number): Promise<{ teams: readonly ListedTeam[]; total: number }> {
    return await adminTeamQueries.listAllTeams(this.#deps.database.db, { offset, limit });
  }

  /** @throws WrennError `team_not_found`. */
  async get(
    teamId: string,
  ): Promise<{ team: ListedTeam; members: readonly Member[]; limits: TeamLimits | undefined }> {
    const { db } = this.#deps.database;
    const team = await adminTeamQueries.findListedTeam(db, teamId);
    if (!team) throw new WrennError("team_not_found", {});
    return {
      team,
      members: await memberQueries.listMembers(db, teamId),
      limits: await adminTeamQueries.lockTeamLimits(db, teamId),
    };
  }

  /**
   * Says how much a team may have. What it has beyond that stays; it gets no more.
   *
   * @throws WrennError `team_not_found`.
   */
  async setLimits(session: LiveSession, teamId: string, change: Partial<TeamLimits>): Promise<TeamLimits> {
    return await this.#deps.database.db.transaction().execute(async (trx) => {
      const before = await adminTeamQueries.lockTeamLimits(trx, teamId);
      if (!before) throw new WrennError("team_not_found", {});
      const after: TeamLimits = {
        max_capsules: change.max_capsules ?? before.max_capsules,
        max_vcpus: change.max_vcpus ?? before.max_vcpus,
        max_memory_mb: change.max_memory_mb ?? before.max_memory_mb,
        max_templates: change.max_templates ?? before.max_templates,
        max_channels: change.max_channels ?? before.max_channels,
        max_builds: change.max_builds ?? before.max_builds,
        max_storage_mb: change.max_storage_mb ?? before.max_storage_mb,
        max_checkpoints: change.max_checkpoints ?? before.max_checkpoints,
        max_capsule_checkpoints: change.max_capsule_checkpoints ?? before.max_capsule_checkpoints,
        keep_checkpoints: change.keep_checkpoints ?? before.keep_checkpoints,
        keep_checkpoint_days: change.keep_checkpoint_days ?? before.keep_checkpoint_days,
        keep_paused_days: change.keep_paused_days ?? before.keep_paused_days,
      };
      const changed = (Object.keys(after) as (keyof TeamLimits)[]).filter(
        (name) => after[name] !== before[name],
      );
      if (changed.length === 0) return after;
      await adminTeamQueries.setTeamLimits(trx, teamId, after);
      const metadata = Object.fromEntries(changed.map((name) => [name, `${before[name]} -> ${after[name]}`]));
      await this.#record(trx, session, teamId, "limit", metadata);
      return after;
    });
  }

  /** Lets a team have hosts of its own, for good. @throws WrennError `team_not_found`, `platform_team_protected`. */
  async enableByoc(session: LiveSession, teamId: string): Promise<void> {
    if (teamId === PLATFORM_TEAM) throw new WrennError("platform_team_protected", {});
    await this.#deps.database.db.transaction().execute(async (trx) => {
      const team = await teamQueries.findTeam(trx, teamId);
      if (!team) throw new WrennError("team_not_found", {});
      if (await adminTeamQueries.enableByoc(trx, teamId))
        await this.#record(trx, session, teamId, "enable_byoc", {});
    });
  }

  /** Says whether capsules of a team can have public ports. @throws WrennError `team_not_found`. */
  async allowPublicPorts(session: LiveSession, teamId: string, isAllowed: boolean): Promise<void> {
    await this.#deps.database.db.transaction().execute(async (trx) => {
      if (!(await teamQueries.findTeam(trx, teamId))) throw new WrennError("team_not_found", {});
      await portQueries.setAllowsPublicPorts(trx, teamId, isAllowed);
      const action = isAllowed ? "allow_public_ports" : "forbid_public_ports";
      await this.#record(trx, session, teamId, action, {});
    });
  }

  async #record(
    trx: Trx,
    session: LiveSession,
    teamId: string,
    action: string,
    metadata: Readonly<Record<string, string>>,
  ): Promise<void> {
    const entry = {
      resource: "team",
      resourceId: formatId("team", teamId),
      action,
      scope: "admin",
      metadata,
    } as const;
    // The team's own people see what was done with it.
    for (const place of new Set([PLATFORM_TEAM, teamId]))
      await this.#deps.audit.write(trx, { teamId: place, session }, entry);
  }
}
