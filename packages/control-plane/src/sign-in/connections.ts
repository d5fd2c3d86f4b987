import { formatId, WrennError } from "@wrenn/core";
import { identityQueries, sessionQueries, userQueries } from "@wrenn/database";
import type { Database, IdentityRow, LiveSession, Trx } from "@wrenn/database";
import type { Mailer } from "../mail/mailer.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { IdentityProvider, ProviderProfile } from "./identity-provider.ts";
import type { IdentityProviders } from "./identity-providers.ts";

export interface ConnectionsDeps {
  readonly database: Database;
  readonly providers: IdentityProviders;
  readonly mailer: Mailer;
  readonly audit: AuditLog;
}

/** The ways in which somebody can log in to their account. */
export interface LoginMethods {
  readonly hasPassword: boolean;
  readonly identities: readonly IdentityRow[];
}

/** Which accounts at providers log in to which account here (docs/reference/rest-api.md#accounts). */
export class Connections {
  readonly #deps: ConnectionsDeps;

  constructor(deps: ConnectionsDeps) {
    this.#deps = deps;
  }

  async loginMethods(userId: string): Promise<LoginMethods> {
    const { db } = this.#deps.database;
    const user = await userQueries.findUser(db, userId);
    return {
      hasPassword: user !== undefined && user.password_hash !== null,
      identities: (await identityQueries.listIdentities(db, userId)).filter((identity) =>
        this.#isConfigured(identity),
      ),
    };
  }

  /**
   * Lets a person of a provider log in to the account of a session.
   *
   * @returns `already_linked` when that is, or has, another one; `invalid_state` when the session is over at `now`.
   */
  async connect(
    session: LiveSession,
    provider: IdentityProvider,
    { subject, verifiedEmail }: ProviderProfile,
    now: Date,
  ): Promise<"connected" | "already_linked" | "invalid_state"> {
    const { database, mailer } = this.#deps;
    const { name, issuer, title } = provider;
    const key = { provider: name, issuer, subject };
    return await database.db.transaction().execute(async (trx) => {
      await userQueries.lockUser(trx, session.userId);
      if (!(await sessionQueries.lockSession(trx, session.id, session.teamId, now))) return "invalid_state";
      const owner = await identityQueries.findIdentityOwner(trx, key);
      if (owner) return owner.id === session.userId ? "connected" : "already_linked";
      // One of an issuer that the operator has replaced is of no use any more.
      const own = await identityQueries.listIdentities(trx, session.userId);
      if (own.some((identity) => identity.provider === name && !this.#isConfigured(identity)))
        await identityQueries.deleteIdentity(trx, session.userId, name);
      const identity = { ...key, user_id: session.userId, email: verifiedEmail ?? "" };
      if (!(await identityQueries.insertIdentity(trx, identity))) return "already_linked";
      await this.#record(trx, session, "provider_connect", name);
      await mailer.send(trx, {
        kind: "provider_connected",
        to: session.email,
        subject: `${title} was connected to your account`,
        text: "It can be used to log in from now on. If it was not you, disconnect it and change your password.",
      });
      return "connected";
    });
  }

  /** @throws WrennError `provider_not_connected`, `last_login_method`. */
  async disconnect(session: LiveSession, provider: string): Promise<void> {
    await this.#deps.database.db.transaction().execute(async (trx) => {
      // Two at once must not each take the other for what remains.
      const user = await userQueries.lockUser(trx, session.userId);
      const identities = await identityQueries.listIdentities(trx, session.userId);
      if (!identities.some((identity) => identity.provider === provider))
        throw new WrennError("provider_not_connected", {});
      const others = identities.filter(
        (identity) => identity.provider !== provider && this.#isConfigured(identity),
      );
      if ((user?.password_hash ?? null) === null && others.length === 0)
        throw new WrennError("last_login_method", {});
      await identityQueries.deleteIdentity(trx, session.userId, provider);
      await this.#record(trx, session, "provider_disconnect", provider);
    });
  }

  /** Those of providers that the operator has taken away open nothing. */
  #isConfigured({ provider, issuer }: IdentityRow): boolean {
    return this.#deps.providers.find(provider)?.issuer === issuer;
  }

  async #record(trx: Trx, session: LiveSession, action: string, provider: string): Promise<void> {
    await this.#deps.audit.write(
      trx,
      { teamId: session.teamId, session },
      {
        resource: "user",
        resourceId: formatId("user", session.userId),
        action,
        scope: "admin",
        metadata: { provider },
      },
    );
  }
}
