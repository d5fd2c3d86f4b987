import { formatId, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { adminUserQueries, deletionQueries, hostTokenQueries, teamQueries } from "@wrenn/database";
import type { Database, LiveSession } from "@wrenn/database";
import type { Mailer } from "../mail/mailer.ts";
import type { Sessions } from "../accounts/sessions.ts";
import type { ApiKeyAuth } from "../accounts/api-key-auth.ts";
import { requireRole } from "../http/identity.ts";
import type { Identity } from "../http/identity.ts";
import type { AuditLog } from "../audit/audit.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";

/** The templates of teams. */
interface TeamTemplates {
  list(teamId: string): Promise<readonly { readonly name: string }[]>;
  remove(teamId: string, name: string): Promise<unknown>;
}

export interface DeletionDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly mailer: Mailer;
  readonly sessions: Sessions;
  readonly apiKeyAuth: ApiKeyAuth;
  readonly audit: AuditLog;
  /** Destroys every capsule of a team. */
  readonly destroyCapsules: (teamId: string) => Promise<void>;
  readonly templates: TeamTemplates;
}

/** The end of teams and of accounts (docs/reference/control-plane.md#teams-and-roles). */
export class DeletionService {
  readonly #deps: DeletionDeps;

  constructor(deps: DeletionDeps) {
    this.#deps = deps;
  }

  /**
   * Ends the team that its owner acts in. What it has on hosts goes first: a deletion that a host refuses leaves a team that can
   * be deleted again, never capsules of nobody.
   *
   * @throws WrennError `session_required`, `role_missing`, `platform_team_protected`, or what a host answers.
   */
  async deleteTeam(session: LiveSession): Promise<void> {
    const identity = { teamId: session.teamId, session };
    requireRole(identity, "owner");
    await this.#endTeam(identity);
  }

  /**
   * Ends any team, for an administrator of the platform.
   *
   * @throws WrennError `team_not_found`, `platform_team_protected`, or what a host answers.
   */
  async deleteAnyTeam(session: LiveSession, teamId: string): Promise<void> {
    const { database, audit } = this.#deps;
    const team = await teamQueries.findTeam(database.db, teamId);
    if (!team) throw new WrennError("team_not_found", {});
    await this.#endTeam({ teamId, session });
    await audit.write(
      database.db,
      { teamId: PLATFORM_TEAM, session },
      {
        resource: "team",
        resourceId: formatId("team", teamId),
        action: "delete",
        scope: "admin",
        status: "warning",
        metadata: { name: team.name },
      },
    );
  }

  /**
   * Ends an account with the teams that only it belongs to; it can be repeated after a refusal.
   *
   * @throws WrennError `confirmation_mismatch`, `owns_team_with_members`, `last_admin`, or what a host answers.
   */
  async deleteAccount(session: LiveSession, confirmation: string): Promise<void> {
    const { database, clock, mailer, sessions, apiKeyAuth } = this.#deps;
    if (confirmation.trim().toLowerCase() !== session.email)
      throw new WrennError("confirmation_mismatch", {});
    if (session.isAdmin && !(await deletionQueries.otherAdminExists(database.db, session.userId)))
      throw new WrennError("last_admin", {});
    const owned = await deletionQueries.listOwnedTeams(database.db, session.userId);
    const shared = owned.filter((team) => team.others > 0);
    if (shared.length > 0)
      throw new WrennError("owns_team_with_members", { teams: shared.map((team) => team.name).join(", ") });
    for (const team of owned) await this.#endTeam({ teamId: team.id, session });
    const at = new Date(clock.now());
    await database.db.transaction().execute(async (trx) => {
      await adminUserQueries.lockAdministrators(trx);
      if (session.isAdmin && !(await deletionQueries.otherAdminExists(trx, session.userId)))
        throw new WrennError("last_admin", {});
      await deletionQueries.markUserDeleted(trx, session.userId, at);
      await sessions.endAll(trx, session.userId);
      if (session.isAdmin) await hostTokenQueries.deleteRegistrationTokens(trx);
      await mailer.send(trx, {
        kind: "account_deleted",
        to: session.email,
        subject: "Your account was deleted",
        text: "Its API keys and the teams that only you belonged to are gone.",
      });
    });
    sessions.forget({ kind: "user", id: session.userId });
    apiKeyAuth.forget();
  }

  async #endTeam(identity: Identity): Promise<void> {
    const { database, clock, audit, sessions, apiKeyAuth, destroyCapsules, templates } = this.#deps;
    const { teamId } = identity;
    if (teamId === PLATFORM_TEAM) throw new WrennError("platform_team_protected", {});
    await destroyCapsules(teamId);
    for (const template of await templates.list(teamId)) await templates.remove(teamId, template.name);
    await database.db.transaction().execute(async (trx) => {
      if (!(await deletionQueries.markTeamDeleted(trx, teamId, new Date(clock.now())))) return;
      await audit.write(trx, identity, {
        resource: "team",
        resourceId: formatId("team", teamId),
        action: "delete",
        scope: "admin",
        status: "warning",
      });
    });
    sessions.forget({ kind: "team", id: teamId });
    apiKeyAuth.forget({ kind: "team", id: teamId });
    // Those that were created while the first ones were destroyed; from here on nobody can create more.
    await destroyCapsules(teamId);
  }
}
