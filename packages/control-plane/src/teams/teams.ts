import { formatId, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { adminTeamQueries, memberQueries, sessionQueries, teamQueries, userQueries } from "@wrenn/database";
import type { Database, LiveSession, Member, QueuedTransactions, TeamOfUser, Trx } from "@wrenn/database";
import type { ApiKeyAuth } from "../accounts/api-key-auth.ts";
import type { Sessions } from "../accounts/sessions.ts";
import { requireRole } from "../http/identity.ts";
import type { AuditLog } from "../audit/audit.ts";

export interface TeamsDeps {
  readonly database: Database;
  readonly transactions: QueuedTransactions;
  readonly clock: Clock;
  readonly random: Random;
  readonly sessions: Sessions;
  readonly apiKeyAuth: ApiKeyAuth;
  readonly audit: AuditLog;
  /** How many teams one person may own; each has quotas. */
  readonly teamsPerOwner: number;
}

/** Teams and their members (docs/reference/rest-api.md#teams). */
export class TeamsService {
  readonly #deps: TeamsDeps;

  constructor(deps: TeamsDeps) {
    this.#deps = deps;
  }

  async list(userId: string): Promise<readonly TeamOfUser[]> {
    return await memberQueries.listUserTeams(this.#deps.database.db, userId);
  }

  /** @throws WrennError `limit_reached`. */
  async create(session: LiveSession, name: string): Promise<TeamOfUser> {
    const { random, teamsPerOwner, transactions } = this.#deps;
    const id = random.uuid();
    await transactions.run("user", session.userId, async (trx) => {
      // Several creates at once count each other.
      await userQueries.lockUser(trx, session.userId);
      const teams = await memberQueries.listUserTeams(trx, session.userId);
      if (teams.filter((team) => team.role === "owner").length >= teamsPerOwner)
        throw new WrennError("limit_reached", { limit: teamsPerOwner, things: "teams of one owner" });
      await teamQueries.insertTeam(trx, {
        id,
        name,
        slug: `${randomHex(random, 3)}-${randomHex(random, 3)}`,
      });
      await userQueries.insertMembership(trx, {
        userId: session.userId,
        teamId: id,
        role: "owner",
        isDefault: false,
      });
    });
    return await this.#find(session.userId, id);
  }

  /** The team that somebody acts in. */
  async get(session: LiveSession): Promise<{ team: TeamOfUser; members: readonly Member[] }> {
    return { team: await this.#find(session.userId, session.teamId), members: await this.members(session) };
  }

  async members(session: LiveSession): Promise<readonly Member[]> {
    return await memberQueries.listMembers(this.#deps.database.db, session.teamId);
  }

  /** @throws WrennError `role_missing`. */
  async rename(session: LiveSession, name: string): Promise<void> {
    const { database, audit } = this.#deps;
    const identity = { teamId: session.teamId, session };
    requireRole(identity, "admin");
    await database.db.transaction().execute(async (trx) => {
      await memberQueries.renameTeam(trx, session.teamId, name);
      await audit.write(trx, identity, { resource: "team", action: "rename", metadata: { name } });
    });
  }

  /** @throws WrennError `role_missing`, `owner_protected`, `member_not_found`. */
  async changeRole(session: LiveSession, userId: string, role: "admin" | "member"): Promise<void> {
    requireRole({ teamId: session.teamId, session }, "admin");
    await this.#change(
      session,
      userId,
      "role_change",
      async (trx) => await memberQueries.changeRole(trx, session.teamId, userId, role),
    );
  }

  /** @throws WrennError `role_missing`, `owner_protected`, `member_not_found`. */
  async remove(session: LiveSession, userId: string): Promise<void> {
    requireRole({ teamId: session.teamId, session }, "admin");
    await this.#change(
      session,
      userId,
      "remove",
      async (trx) => await memberQueries.deleteMembership(trx, session.teamId, userId),
    );
  }

  /** @throws WrennError `owner_protected`. */
  async leave(session: LiveSession): Promise<void> {
    const { teamId, userId } = session;
    await this.#change(
      session,
      userId,
      "leave",
      async (trx) => await memberQueries.deleteMembership(trx, teamId, userId),
    );
  }

  async #change(
    session: LiveSession,
    userId: string,
    action: "role_change" | "remove" | "leave",
    work: (trx: Trx) => Promise<boolean>,
  ): Promise<void> {
    const { audit, clock, sessions, apiKeyAuth, transactions } = this.#deps;
    const { teamId } = session;
    await transactions.run("team", teamId, async (trx) => {
      // Of two who take the role from each other at once the second has none left.
      await adminTeamQueries.lockTeamLimits(trx, teamId);
      const live = await sessionQueries.lockSession(trx, session.id, teamId, new Date(clock.now()));
      if (!live) throw new WrennError("token_invalid", {});
      if (action !== "leave") requireRole({ teamId, session: live }, "admin");
      if (!(await work(trx))) {
        const role = await memberQueries.findRole(trx, teamId, userId);
        throw new WrennError(role === "owner" ? "owner_protected" : "member_not_found", {});
      }
      await audit.write(
        trx,
        { teamId, session },
        { resource: "member", resourceId: formatId("user", userId), action, scope: "admin" },
      );
    });
    sessions.forget({ kind: "user", id: userId });
    apiKeyAuth.forget({ kind: "team", id: teamId });
  }

  async #find(userId: string, teamId: string): Promise<TeamOfUser> {
    const team = (await this.list(userId)).find(({ id }) => id === teamId);
    if (!team) throw new WrennError("team_not_found", {});
    return team;
  }
}
