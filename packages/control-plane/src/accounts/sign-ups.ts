import { formatId, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { userQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";
import type { Mailer } from "../mail/mailer.ts";
import type { Credentials } from "./accounts.ts";
import type { ClientDetails } from "./client-details.ts";
import { clientMetadata } from "./client-details.ts";
import type { MailedTokens } from "./mailed-tokens.ts";
import type { Passwords } from "./passwords.ts";
import { insertPersonalTeam } from "./personal-team.ts";
import { hashToken } from "./sessions.ts";
import type { OpenedSession, Sessions } from "./sessions.ts";
import type { SignUpPolicy } from "./sign-up-policy.ts";

/** See docs/reference/control-plane.md#mailed-tokens. */
export const ACTIVATION_MS = 30 * 60_000;

export interface SignUpsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly mailer: Mailer;
  readonly mailedTokens: MailedTokens;
  readonly policy: SignUpPolicy;
  readonly audit: AuditLog;
  /** Address of the dashboard, for links in mails. */
  readonly publicUrl: string;
}

/** What comes with the token of an activation. */
export interface Activation {
  /** The password that the account has from now on. */
  readonly password?: string | undefined;
  /** Secret of the browser, when it signed up itself. */
  readonly browserSecret?: string | undefined;
}

/**
 * Accounts that people make with a password. Signing up proves nothing: the password of a sign-up counts only when the link of
 * the mail is opened in the same browser, and otherwise the person who opens it chooses another one (docs/decisions/0027-password-at-activation.md).
 */
export class SignUps {
  readonly #deps: SignUpsDeps;

  constructor(deps: SignUpsDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `sign_up_closed`, `invitation_required`. */
  async requireAdmission(email: string): Promise<void> {
    await this.#deps.policy.requireAdmission(this.#deps.database.db, email);
  }

  /** Adds an account that waits for its address to be proved, or tells the owner of the address that it has one. */
  async signUp(
    { email, password, name }: Credentials & { readonly name: string },
    browserSecret: string,
    client: ClientDetails,
  ): Promise<void> {
    const { audit, clock, database, mailedTokens, mailer, passwords, publicUrl, random } = this.#deps;
    // The client has its answer already. How many sign-ups wait is bounded by WorkAfterAnswer.
    const passwordHash = await passwords.hashInTurn(password);
    const owner = await userQueries.findUserByEmail(database.db, email);
    if (owner && owner.status !== "inactive") {
      await mailer.send(database.db, {
        kind: "account_exists",
        to: email,
        subject: "You already have an account",
        text: "Someone, probably you, signed up with this address. It has an account already: log in, or reset its password.",
        link: `${publicUrl}/login`,
      });
      return;
    }
    const user = { id: random.uuid(), email, name, passwordHash, status: "inactive" as const };
    await database.db.transaction().execute(async (trx) => {
      await userQueries.deleteWaitingUsers(trx, new Date(clock.now() - ACTIVATION_MS));
      await userQueries.insertUser(trx, user);
      await audit.write(
        trx,
        { teamId: PLATFORM_TEAM },
        {
          resource: "user",
          resourceId: formatId("user", user.id),
          action: "sign_up",
          scope: "admin",
          status: "info",
          metadata: { email, ...clientMetadata(client) },
        },
      );
      const { token, ...issued } = await mailedTokens.issue(
        trx,
        "activation",
        user.id,
        ACTIVATION_MS,
        hashToken(browserSecret),
      );
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

  /**
   * Makes a waiting account the one of its address. Outside of the browser that signed up it gets the password that is given here.
   *
   * @throws WrennError `one_time_token_invalid`, `activation_password_required`, `sign_up_closed`, `invitation_required`,
   *   `already_activated`. A refusal leaves the token good.
   */
  async activate(
    token: string,
    { password, browserSecret }: Activation,
    client: ClientDetails,
  ): Promise<OpenedSession> {
    const { audit, database, mailedTokens, passwords, policy, random, sessions } = this.#deps;
    const passwordHash = password === undefined ? undefined : await passwords.hash(password);
    const { user, begun } = await database.db.transaction().execute(async (trx) => {
      const { user: waiting, browserHash } = await mailedTokens.take(trx, "activation", token);
      await policy.requireAdmission(trx, waiting.email);
      const isSameBrowser = browserSecret !== undefined && hashToken(browserSecret) === browserHash;
      if (!isSameBrowser && passwordHash === undefined)
        throw new WrennError("activation_password_required", {});
      if (!(await userQueries.activateUser(trx, waiting))) throw new WrennError("already_activated", {});
      if (passwordHash !== undefined)
        await userQueries.changeUser(trx, waiting.id, "active", { passwordHash });
      const teamId = await insertPersonalTeam(trx, random, waiting);
      return { user: waiting, begun: await sessions.begin(trx, { userId: waiting.id, teamId, client }) };
    });
    const opened = await sessions.opened(begun);
    await audit.write(
      database.db,
      { teamId: PLATFORM_TEAM, session: opened.session },
      {
        resource: "user",
        resourceId: formatId("user", user.id),
        action: "activate",
        scope: "admin",
        metadata: clientMetadata(client),
      },
    );
    return opened;
  }
}
