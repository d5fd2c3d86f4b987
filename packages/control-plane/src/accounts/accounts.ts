import { DAY_MS, defined, formatId, WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { identityQueries, userQueries } from "@wrenn/database";
import type { Database, IdentityKey, LiveSession, Trx, UserRow } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import { clientMetadata } from "./client-details.ts";
import type { ClientDetails } from "./client-details.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { insertPersonalTeam } from "./personal-team.ts";
import type { Mail, Mailer } from "../mail/mailer.ts";
import type { MailedTokens } from "./mailed-tokens.ts";
import type { Passwords } from "./passwords.ts";
import type { OpenedSession, Sessions } from "./sessions.ts";

/** See docs/reference/control-plane.md#mailed-tokens. */
const RESET_MS = 15 * 60_000;
const FIRST_PASSWORD_MS = DAY_MS;

export interface AccountsDeps {
  readonly database: Database;
  readonly random: Random;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly mailer: Mailer;
  readonly mailedTokens: MailedTokens;
  readonly audit: AuditLog;
  /** Address of the dashboard, for links in mails. */
  readonly publicUrl: string;
}

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** People's accounts (docs/reference/rest-api.md#accounts). What is answered never says whether an address has an account. */
export class Accounts {
  readonly #deps: AccountsDeps;

  constructor(deps: AccountsDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `login_failed`, and with the right password `account_not_activated`, `account_disabled`. */
  async logIn({ email, password }: Credentials, client: ClientDetails): Promise<OpenedSession> {
    const { database, passwords } = this.#deps;
    const user = await userQueries.findUserByEmail(database.db, email);
    if (!(await passwords.verify(password, user?.password_hash)) || !user) {
      await this.recordFailedLogin(user, client);
      throw new WrennError("login_failed", {});
    }
    return await this.openSession(user, client);
  }

  /**
   * Opens a session for somebody who has proved who they are, in their default team, or in a new one when they have none.
   *
   * @param user - as it was when they proved it: what was proved must still open the account.
   * @param identity - at the provider that says who it is; without one it was the password.
   * @throws WrennError `account_not_activated`, `account_disabled`, `login_failed`.
   */
  async openSession(user: UserRow, client: ClientDetails, identity?: IdentityKey): Promise<OpenedSession> {
    const { database, random, sessions } = this.#deps;
    const begun = await database.db.transaction().execute(async (trx) => {
      const now = await userQueries.holdUser(trx, user.id);
      const isProved = identity
        ? (await identityQueries.findIdentityOwner(trx, identity))?.id === user.id
        : now?.password_hash === user.password_hash;
      if (!now || !isProved) return undefined;
      if (now.status === "inactive") throw new WrennError("account_not_activated", {});
      if (now.status !== "active") throw new WrennError("account_disabled", {});
      const [team] = await userQueries.listMemberships(trx, user.id);
      const teamId = team?.teamId ?? (await insertPersonalTeam(trx, random, now));
      return await sessions.begin(trx, { userId: user.id, teamId, client });
    });
    if (!begun) {
      await this.recordFailedLogin(user, client, identity?.provider);
      throw new WrennError("login_failed", {});
    }
    await this.recordLogin(begun.session, "login", client, defined({ provider: identity?.provider }));
    return await sessions.opened(begun);
  }

  /** Mails a link when the address has an active account. */
  async requestReset(email: string, client: ClientDetails): Promise<void> {
    const { database } = this.#deps;
    const user = await userQueries.findUserByEmail(database.db, email);
    if (user?.status !== "active") return;
    await database.db.transaction().execute(
      async (trx) =>
        await this.#mailPasswordLink(trx, user, RESET_MS, {
          subject: "Reset your password",
          text: "Open this link within 15 minutes. If you did not ask for it, nothing has changed.",
        }),
    );
    await this.#recordAbout(user, "password_reset_request", "info", client);
  }

  /**
   * Mails a link to choose the first password to a person whose account an administrator has activated: the address is not proved, so that
   * the password of the sign-up may be a stranger's.
   */
  async mailFirstPassword(trx: Trx, user: UserRow): Promise<void> {
    await this.#mailPasswordLink(trx, user, FIRST_PASSWORD_MS, {
      subject: "Your account was activated",
      text: "An administrator activated your account. Open this link within a day to choose a password; later, reset the password.",
    });
  }

  async #mailPasswordLink(
    trx: Trx,
    user: UserRow,
    ms: number,
    words: Pick<Mail, "subject" | "text">,
  ): Promise<void> {
    const { mailedTokens, mailer, publicUrl } = this.#deps;
    const { token, ...issued } = await mailedTokens.issue(trx, "password_reset", user.id, ms);
    await mailer.send(trx, {
      ...issued,
      ...words,
      kind: "password_reset",
      to: user.email,
      link: `${publicUrl}/reset-password?token=${token}`,
    });
  }

  /** Sets a password by a mailed token and ends every session. @throws WrennError `one_time_token_invalid`. */
  async confirmReset(token: string, password: string, client: ClientDetails): Promise<void> {
    const { database, mailedTokens, mailer, passwords, sessions } = this.#deps;
    const passwordHash = await passwords.hash(password);
    const user = await database.db.transaction().execute(async (trx) => {
      const { user: found } = await mailedTokens.take(trx, "password_reset", token);
      if (!(await userQueries.changeUser(trx, found.id, "active", { passwordHash })))
        throw new WrennError("one_time_token_invalid", {});
      await sessions.endAll(trx, found.id);
      await mailer.send(trx, {
        kind: "password_changed",
        to: found.email,
        subject: "Your password was reset",
        text: "All sessions were ended.",
      });
      return found;
    });
    sessions.forget({ kind: "user", id: user.id });
    await this.#recordAbout(user, "password_reset", "warning", client);
  }

  /**
   * Changes the password, which the present one allows, or gives one to an account without; ends every other session.
   *
   * @throws WrennError `wrong_password`, `token_invalid`, `invalid_field` for a missing or different one.
   */
  async changePassword(
    session: { readonly id: string; readonly userId: string },
    given: { readonly current?: string; readonly next: string; readonly confirmation?: string },
  ): Promise<void> {
    const { database, mailer, passwords, sessions } = this.#deps;
    const user = await userQueries.findUser(database.db, session.userId);
    if (!user) throw new WrennError("wrong_password", {});
    const isFirst = user.password_hash === null;
    if (isFirst && given.confirmation !== given.next)
      throw new WrennError("invalid_field", {
        field: "confirm_password",
        problem: "is not the same as new_password",
      });
    if (!isFirst && given.current === undefined)
      throw new WrennError("invalid_field", { field: "current_password", problem: "is missing" });
    if (!isFirst && !(await passwords.verify(given.current ?? "", user.password_hash)))
      throw new WrennError("wrong_password", {});
    const passwordHash = await passwords.hash(given.next);
    await database.db.transaction().execute(async (trx) => {
      const now = await userQueries.lockUser(trx, user.id);
      // Another change, or the end of this login, may have come first.
      if (now?.password_hash !== user.password_hash) throw new WrennError("wrong_password", {});
      if (now.status !== "active" || !(await sessions.isLive(trx, session.id)))
        throw new WrennError("token_invalid", {});
      await userQueries.changeUser(trx, user.id, "active", { passwordHash });
      await sessions.endAll(trx, user.id, session.id);
      await mailer.send(trx, {
        kind: isFirst ? "password_added" : "password_changed",
        to: user.email,
        subject: isFirst ? "A password was added to your account" : "Your password was changed",
        text: "All other sessions were ended. If it was not you, reset the password.",
      });
    });
    sessions.forget({ kind: "user", id: user.id });
  }

  /**
   * Says in the audit log of the team that somebody acts in that they came or went.
   *
   * @param more - by which provider, or which other login ended.
   */
  async recordLogin(
    session: LiveSession,
    action: "login" | "logout",
    client: ClientDetails,
    more: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { audit, database } = this.#deps;
    await audit.write(
      database.db,
      { teamId: session.teamId, session },
      {
        resource: "user",
        resourceId: formatId("user", session.userId),
        action,
        scope: "admin",
        metadata: { ...clientMetadata(client), ...more },
      },
    );
  }

  async rename(userId: string, name: string): Promise<void> {
    await userQueries.changeUser(this.#deps.database.db, userId, "active", { name });
  }

  /**
   * A wrong password, or a provider's account that may not come in, is known by the team that its account would have acted in, an unknown address by the platform's. Both take
   * the same steps, so that the time of the answer does not tell them apart.
   */
  async recordFailedLogin(
    user: UserRow | undefined,
    client: ClientDetails,
    provider?: string,
  ): Promise<void> {
    await this.#recordAbout(user, "login_failed", "warning", client, provider);
  }

  /** In the team that the account would act in. */
  async #recordAbout(
    user: UserRow | undefined,
    action: string,
    status: "info" | "warning",
    client: ClientDetails,
    provider?: string,
  ): Promise<void> {
    const { audit, database, random } = this.#deps;
    const [team] = await userQueries.listMemberships(database.db, user?.id ?? random.uuid());
    await audit.write(
      database.db,
      { teamId: team?.teamId ?? PLATFORM_TEAM },
      {
        resource: "user",
        ...defined({ resourceId: user && formatId("user", user.id) }),
        action,
        scope: "admin",
        status,
        metadata: clientMetadata(client, provider),
      },
    );
  }
}
