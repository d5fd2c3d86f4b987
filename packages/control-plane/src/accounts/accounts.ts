import { defined, formatId, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { oneTimeTokenQueries, userQueries } from "@wrenn/database";
import type { Database, LiveSession, Trx, UserRow } from "@wrenn/database";
import type { FastifyRequest } from "fastify";
import type { AuditLog } from "../audit/audit.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { insertPersonalTeam } from "./personal-team.ts";
import type { Mailer } from "../mail/mailer.ts";
import type { Passwords } from "./passwords.ts";
import { hashToken } from "./sessions.ts";
import type { OpenedSession, Sessions } from "./sessions.ts";

/** See docs/reference/control-plane.md#mailed-tokens. */
const ACTIVATION_MS = 30 * 60_000;
const RESET_MS = 15 * 60_000;
const TOKEN_BYTES = 32;
const MAX_USER_AGENT = 200;

/** The client of a request, for the audit log. */
export interface ClientDetails {
  readonly address: string;
  /** As the client names itself. */
  readonly userAgent: string;
}

export function clientDetails({ ip, headers }: FastifyRequest): ClientDetails {
  return { address: ip, userAgent: headers["user-agent"] ?? "" };
}

export interface AccountsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly mailer: Mailer;
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

  /** Adds an account that waits for its address to be proved; the mail decides, not the answer. */
  async signUp({ email, password, name }: Credentials & { readonly name: string }): Promise<void> {
    const { database, mailer, passwords, publicUrl, random } = this.#deps;
    const passwordHash = await passwords.hash(password);
    const owner = await userQueries.findUserByEmail(database.db, email);
    if (owner && owner.status !== "inactive") {
      await mailer.send(database.db, {
        kind: "account_exists",
        to: email,
        subject: "You already have an account",
        text: "Somebody, probably you, signed up with this address. It has an account already: log in, or reset its password.",
        link: `${publicUrl}/login`,
      });
      return;
    }
    const user = { id: random.uuid(), email, name, passwordHash, status: "inactive" as const };
    await database.db.transaction().execute(async (trx) => {
      await userQueries.deleteWaitingUsers(trx, new Date(this.#deps.clock.now() - ACTIVATION_MS));
      await userQueries.insertUser(trx, user);
      const { token, ...issued } = await this.#issue(trx, "activation", user.id, ACTIVATION_MS);
      await mailer.send(trx, {
        ...issued,
        kind: "activation",
        to: email,
        subject: "Activate your account",
        text: "Open this link within 30 minutes. If you did not sign up, do not open it.",
        link: `${publicUrl}/activate?token=${token}`,
      });
    });
  }

  /** @throws WrennError `one_time_token_invalid`, `already_activated`. */
  async activate(token: string): Promise<OpenedSession> {
    const { database, random, sessions } = this.#deps;
    const { userId, teamId } = await database.db.transaction().execute(async (trx) => {
      const user = await this.#take(trx, "activation", token);
      if (!(await userQueries.activateUser(trx, user))) throw new WrennError("already_activated", {});
      return { userId: user.id, teamId: await insertPersonalTeam(trx, random, user) };
    });
    return await sessions.open(userId, teamId);
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
   * @param provider - that says who it is; without one it was the password.
   * @throws WrennError `account_not_activated`, `account_disabled`.
   */
  async openSession(user: UserRow, client: ClientDetails, provider?: string): Promise<OpenedSession> {
    const { database, random, sessions } = this.#deps;
    if (user.status === "inactive") throw new WrennError("account_not_activated", {});
    if (user.status !== "active") throw new WrennError("account_disabled", {});
    const [team] = await userQueries.listMemberships(database.db, user.id);
    const teamId =
      team?.teamId ??
      (await database.db.transaction().execute(async (trx) => await insertPersonalTeam(trx, random, user)));
    const opened = await sessions.open(user.id, teamId);
    await this.recordLogin(opened.session, "login", client, provider);
    return opened;
  }

  /** Mails a link when the address has an active account. */
  async requestReset(email: string): Promise<void> {
    const { database, mailer, publicUrl } = this.#deps;
    const user = await userQueries.findUserByEmail(database.db, email);
    if (user?.status !== "active") return;
    await database.db.transaction().execute(async (trx) => {
      const { token, ...issued } = await this.#issue(trx, "password_reset", user.id, RESET_MS);
      await mailer.send(trx, {
        ...issued,
        kind: "password_reset",
        to: email,
        subject: "Reset your password",
        text: "Open this link within 15 minutes. If you did not ask for it, nothing has changed.",
        link: `${publicUrl}/reset-password?token=${token}`,
      });
    });
  }

  /** Sets a password by a mailed token and ends every session. @throws WrennError `one_time_token_invalid`. */
  async confirmReset(token: string, password: string): Promise<void> {
    const { database, mailer, passwords, sessions } = this.#deps;
    const passwordHash = await passwords.hash(password);
    const user = await database.db.transaction().execute(async (trx) => {
      const found = await this.#take(trx, "password_reset", token);
      if (!(await userQueries.changeUser(trx, found.id, "active", { passwordHash })))
        throw new WrennError("one_time_token_invalid", {});
      await mailer.send(trx, {
        kind: "password_changed",
        to: found.email,
        subject: "Your password was reset",
        text: "All sessions were ended.",
      });
      return found;
    });
    await sessions.revokeAll(user.id);
  }

  /**
   * Changes the password, which the present one allows, or gives one to an account without; ends every other session.
   *
   * @throws WrennError `wrong_password`, `invalid_field` for a missing or different one.
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
      if (!(await userQueries.changeUser(trx, user.id, "active", { passwordHash }))) return;
      await mailer.send(trx, {
        kind: isFirst ? "password_added" : "password_changed",
        to: user.email,
        subject: isFirst ? "A password was added to your account" : "Your password was changed",
        text: "All other sessions were ended. If it was not you, reset the password.",
      });
    });
    await sessions.revokeAll(user.id, session.id);
  }

  /** Says in the audit log of the team that somebody acts in that they came or went. */
  async recordLogin(
    session: LiveSession,
    action: "login" | "logout",
    client: ClientDetails,
    provider?: string,
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
        metadata: metadataOf(client, provider),
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
    const { audit, database, random } = this.#deps;
    const [team] = await userQueries.listMemberships(database.db, user?.id ?? random.uuid());
    await audit.write(
      database.db,
      { teamId: team?.teamId ?? PLATFORM_TEAM },
      {
        resource: "user",
        ...defined({ resourceId: user && formatId("user", user.id) }),
        action: "login_failed",
        scope: "admin",
        status: "warning",
        metadata: metadataOf(client, provider),
      },
    );
  }

  async #issue(
    trx: Trx,
    purpose: "activation" | "password_reset",
    userId: string,
    ms: number,
  ): Promise<{ readonly token: string; readonly tokenHash: string; readonly expiresAt: Date }> {
    const token = randomHex(this.#deps.random, TOKEN_BYTES);
    const tokenHash = hashToken(token);
    const expiresAt = new Date(this.#deps.clock.now() + ms);
    await oneTimeTokenQueries.putOneTimeToken(trx, { hash: tokenHash, purpose, userId, expiresAt });
    return { token, tokenHash, expiresAt };
  }

  async #take(trx: Trx, purpose: "activation" | "password_reset", token: string): Promise<UserRow> {
    const now = new Date(this.#deps.clock.now());
    const taken = await oneTimeTokenQueries.takeOneTimeToken(trx, hashToken(token), purpose, now);
    const user = taken?.userId ? await userQueries.findUser(trx, taken.userId) : undefined;
    if (!user) throw new WrennError("one_time_token_invalid", {});
    return user;
  }
}

/** What clients say of themselves is bounded. */
function metadataOf(
  { address, userAgent }: ClientDetails,
  provider: string | undefined,
): Readonly<Record<string, string>> {
  const where = { address, user_agent: userAgent.slice(0, MAX_USER_AGENT) };
  return provider === undefined ? where : { ...where, provider };
}
