import { formatId, WrennError } from "@wrenn/core";
import { adminUserQueries, deletionQueries, hostTokenQueries, userQueries } from "@wrenn/database";
import type { Database, ListedUser, LiveSession, Trx, UserRow } from "@wrenn/database";
import type { Accounts } from "./accounts.ts";
import type { Sessions } from "./sessions.ts";
import type { ApiKeyAuth } from "./api-key-auth.ts";
import type { AuditLog } from "../audit/audit.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";

export interface AdminUsersDeps {
  readonly database: Database;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly apiKeyAuth: ApiKeyAuth;
  readonly audit: AuditLog;
  /** Destroys every capsule of a team. */
  readonly destroyCapsules: (teamId: string) => Promise<void>;
}

/** Everybody's accounts, for administrators of the platform (docs/reference/rest-api.md#administration). Who asks has been found to be one. */
export class AdminUsers {
  readonly #deps: AdminUsersDeps;

  constructor(deps: AdminUsersDeps) {
    this.#deps = deps;
  }

  async list(offset: number, limit: number): Promise<{ users: readonly ListedUser[]; total: number }> {
    return await adminUserQueries.listAllUsers(this.#deps.database.db, { offset, limit });
  }

  /**
   * Lets a person in who was shut out, or who has not opened the link of the activation mail: the latter gets a mail to choose a
   * password, since nothing says that the one of the sign-up is theirs.
   *
   * @throws WrennError `account_not_found`, `email_taken`.
   */
  async activate(session: LiveSession, userId: string): Promise<void> {
    const { accounts, database } = this.#deps;
    await database.db.transaction().execute(async (trx) => {
      // Not locked: of an activation by its link at the same moment one finds that it is done.
      const user = await userQueries.findUser(trx, userId);
      if (!user || user.status === "deleted") throw new WrennError("account_not_found", {});
      if (user.status === "active") return;
      const isWaiting = user.status === "inactive";
      const isDone = isWaiting
        ? await userQueries.activateUser(trx, user)
        : await userQueries.changeUser(trx, userId, "disabled", { status: "active" });
      if (!isDone) throw new WrennError("email_taken", {});
      if (isWaiting) {
        await userQueries.changeUser(trx, userId, "active", { passwordHash: null });
        await accounts.mailFirstPassword(trx, user);
      }
      await this.#record(trx, session, user, "activate");
    });
  }

  /**
   * Shuts somebody out: logins and keys end with the answer, capsules of teams that they own are destroyed. May be repeated after a
   * host refused.
   *
   * @throws WrennError `own_account`, `account_not_found`, `user_not_active`, `last_admin_protected`, or what a host answers.
   */
  async deactivate(session: LiveSession, userId: string): Promise<void> {
    const { database, sessions, apiKeyAuth, destroyCapsules } = this.#deps;
    if (userId === session.userId) throw new WrennError("own_account", {});
    await database.db.transaction().execute(async (trx) => {
      await adminUserQueries.lockAdministrators(trx);
      const user = await this.#find(trx, userId);
      if (user.status === "disabled") return;
      if (user.status !== "active") throw new WrennError("user_not_active", { status: user.status });
      await this.#requireOther(trx, session, user);
      await userQueries.changeUser(trx, userId, "active", { status: "disabled" });
      await sessions.endAll(trx, userId);
      await adminUserQueries.deleteAccessOf(trx, userId);
      if (user.is_admin) await hostTokenQueries.deleteRegistrationTokens(trx);
      await this.#record(trx, session, user, "deactivate");
    });
    sessions.forget({ kind: "user", id: userId });
    apiKeyAuth.forget();
    for (const team of await deletionQueries.listOwnedTeams(database.db, userId))
      await destroyCapsules(team.id);
  }

  /** @throws WrennError `account_not_found`, `user_not_active`. */
  async grant(session: LiveSession, userId: string): Promise<void> {
    await this.#change(session, userId, true, (user) => {
      if (user.status !== "active") throw new WrennError("user_not_active", { status: user.status });
    });
  }

  /** @throws WrennError `account_not_found`, `last_admin_protected`. */
  async revoke(session: LiveSession, userId: string): Promise<void> {
    await this.#change(
      session,
      userId,
      false,
      async (user, trx) => await this.#requireOther(trx, session, user),
    );
  }

  async #change(
    session: LiveSession,
    userId: string,
    isAdmin: boolean,
    check: (user: UserRow, trx: Trx) => void | Promise<void>,
  ): Promise<void> {
    const { database, sessions } = this.#deps;
    await database.db.transaction().execute(async (trx) => {
      await adminUserQueries.lockAdministrators(trx);
      const user = await this.#find(trx, userId);
      if (user.is_admin === isAdmin) return;
      await check(user, trx);
      await adminUserQueries.setAdministrator(trx, userId, isAdmin);
      if (!isAdmin) await hostTokenQueries.deleteRegistrationTokens(trx);
      await this.#record(trx, session, user, isAdmin ? "grant_admin" : "revoke_admin");
    });
    sessions.forget({ kind: "user", id: userId });
  }

  /** Of two administrators who take it from each other at once the second finds that it is none any more. */
  async #requireOther(trx: Trx, session: LiveSession, user: UserRow): Promise<void> {
    if (!user.is_admin) return;
    if (!(await deletionQueries.otherAdminExists(trx, user.id)))
      throw new WrennError("last_admin_protected", {});
    const asking = await userQueries.lockUser(trx, session.userId);
    if (asking?.is_admin !== true || asking.status !== "active") throw new WrennError("admin_required", {});
  }

  async #find(trx: Trx, userId: string): Promise<UserRow> {
    const user = await userQueries.lockUser(trx, userId);
    if (!user || user.status === "deleted") throw new WrennError("account_not_found", {});
    return user;
  }

  async #record(trx: Trx, session: LiveSession, user: UserRow, action: string): Promise<void> {
    await this.#deps.audit.write(
      trx,
      { teamId: PLATFORM_TEAM, session },
      {
        resource: "user",
        resourceId: formatId("user", user.id),
        action,
        scope: "admin",
        status: action === "deactivate" || action === "revoke_admin" ? "warning" : "success",
        metadata: { email: user.email },
      },
    );
  }
}
