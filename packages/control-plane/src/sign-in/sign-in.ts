import { problemOf, randomHex, withDeadline, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { identityQueries, sessionQueries, signInAttemptQueries } from "@wrenn/database";
import type { Database, LiveSession } from "@wrenn/database";
import type { Accounts } from "../accounts/accounts.ts";
import type { ClientDetails } from "../accounts/client-details.ts";
import type { SignUpPolicy } from "../accounts/sign-up-policy.ts";
import { hashToken } from "../accounts/sessions.ts";
import { deriveAttempt, matchesState } from "./browser-secret.ts";
import type { Connections } from "./connections.ts";
import type { IdentityProvider, ProviderProfile } from "./identity-provider.ts";
import { createAccount } from "./create-account.ts";
import { SignInRedirects } from "./sign-in-redirects.ts";
import type { SignInResult, SignInProblem } from "./sign-in-redirects.ts";
import type { IdentityProviders } from "./identity-providers.ts";

/** How long an attempt to log in by a provider lives (docs/reference/control-plane.md#sign-in-by-providers). */
export const ATTEMPT_MS = 10 * 60_000;
const SECRET_BYTES = 32;
/** For all requests to a provider together. */
const EXCHANGE_MS = 20_000;

export interface SignInDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly accounts: Accounts;
  readonly connections: Connections;
  readonly policy: SignUpPolicy;
  readonly providers: IdentityProviders;
  /** Address of the dashboard, and of the callback below it. */
  readonly publicUrl: string;
}

/** Why a browser leaves for a provider. */
export type SignInPurpose = "login" | "signup" | { readonly connectTo: LiveSession };

/** What a browser brings back. */
export interface ProviderCallback {
  readonly code?: string;
  readonly state?: string;
  readonly error?: string;
}

/** A browser's way to a provider and back (docs/reference/control-plane.md#sign-in-by-providers). */
export class SignIn {
  readonly #deps: SignInDeps;
  readonly #redirects: SignInRedirects;

  constructor(deps: SignInDeps) {
    this.#deps = deps;
    this.#redirects = new SignInRedirects(deps.publicUrl);
  }

  /**
   * Begins an attempt.
   *
   * @returns where the browser goes, and the secret for its cookie.
   * @throws WrennError `provider_not_found`, `provider_failed`.
   */
  async begin(
    name: string,
    purpose: SignInPurpose,
    signal: AbortSignal,
  ): Promise<{ readonly url: string; readonly secret: string }> {
    const { clock, database, providers, random } = this.#deps;
    const provider = providers.get(name);
    const secret = randomHex(random, SECRET_BYTES);
    const attempt = deriveAttempt(secret, this.#redirects.callbackUrl(name));
    const url = await provider.authorizationUrl(attempt, signal);
    await signInAttemptQueries.insertSignInAttempt(database.db, {
      hash: hashToken(secret),
      provider: name,
      ...(typeof purpose === "string"
        ? { intent: purpose, session_id: null }
        : { intent: "connect", session_id: purpose.connectTo.id }),
      expires_at: new Date(clock.now() + ATTEMPT_MS),
    });
    return { url: url.href, secret };
  }

  /** Where a browser goes that cannot be sent to the provider. @throws what is no failure of the provider. */
  unavailable(name: string, error: unknown): string {
    if (!WrennError.is(error, "provider_failed")) throw error;
    this.#warn(name, error);
    return this.#redirects.loginFailed(name, "provider_unavailable");
  }

  /**
   * Ends an attempt, whatever became of it. Only the browser that began it can, and once.
   *
   * @param secret - of the browser's cookie.
   * @throws WrennError `provider_not_found`.
   */
  async finish(
    name: string,
    callback: ProviderCallback,
    secret: string | undefined,
    client: ClientDetails,
    signal: AbortSignal,
  ): Promise<SignInResult> {
    const { clock, database, logger, providers } = this.#deps;
    const provider = providers.get(name);
    const now = new Date(clock.now());
    const hash = hashToken(secret ?? "");
    const begun = await signInAttemptQueries.findSignInAttempt(database.db, hash, name, now);
    const refused = (problem: SignInProblem): SignInResult => ({
      location:
        begun?.intent === "connect"
          ? this.#redirects.connectFailed(problem)
          : this.#redirects.loginFailed(name, problem),
    });
    const attempt = deriveAttempt(secret ?? "", this.#redirects.callbackUrl(name));
    // What somebody else made up does not end an attempt.
    const isOurs = begun !== undefined && matchesState(attempt, callback.state);
    const isFirst = isOurs && (await signInAttemptQueries.takeSignInAttempt(database.db, hash));
    if (callback.error !== undefined) return refused("access_denied");
    if (!isFirst) return refused("invalid_state");
    const { code } = callback;
    if (code === undefined || code === "") return refused("missing_code");
    let profile: ProviderProfile;
    try {
      profile = await withDeadline(
        `${name}'s answer`,
        EXCHANGE_MS,
        signal,
        async (within) => await provider.profile(code, attempt, within),
      );
    } catch (error) {
      this.#warn(name, error);
      return refused("exchange_failed");
    }
    try {
      const done =
        begun.intent === "connect"
          ? await this.#connect(begun.sessionId ?? "", provider, profile)
          : await this.#logIn(begun.intent, provider, profile, client);
      return typeof done === "string" ? refused(done) : done;
    } catch (error) {
      // A browser cannot be answered JSON, and nothing that others are to hear is left to be said.
      logger.error("sign_in.failed", { provider: name, problem: problemOf(error) });
      return refused("db_error");
    }
  }

  async #logIn(
    intent: "login" | "signup",
    provider: IdentityProvider,
    profile: ProviderProfile,
    client: ClientDetails,
  ): Promise<SignInResult | SignInProblem> {
    const { accounts, database, policy, random } = this.#deps;
    const { name, issuer } = provider;
    const known = await identityQueries.findIdentityOwner(database.db, {
      provider: name,
      issuer,
      subject: profile.subject,
    });
    if (!known && intent === "login") return "no_account";
    const found = known
      ? { user: known, isNew: false }
      : await createAccount({ database, policy, random }, provider, profile);
    if (typeof found === "string") return found;
    const { user, isNew } = found;
    if (user.status !== "active") {
      await accounts.recordFailedLogin(user, client, name);
      return "account_deactivated";
    }
    try {
      const session = await accounts.openSession(user, client, {
        provider: name,
        issuer,
        subject: profile.subject,
      });
      return { location: this.#redirects.loggedIn(name, isNew), session };
    } catch (error) {
      // The account, or its connection to the provider, ended meanwhile.
      if (WrennError.is(error, "login_failed")) return "no_account";
      if (WrennError.is(error, "account_disabled")) return "account_deactivated";
      throw error;
    }
  }

  /** The log-in that began it must not be over: somebody else may sit there by now. */
  async #connect(
    sessionId: string,
    provider: IdentityProvider,
    profile: ProviderProfile,
  ): Promise<SignInResult | SignInProblem> {
    const { clock, connections, database } = this.#deps;
    const session = await sessionQueries.findSession(
      database.db,
      sessionId,
      undefined,
      new Date(clock.now()),
    );
    if (!session) return "invalid_state";
    if (session.status !== "active") return "account_deactivated";
    const result = await connections.connect(session, provider, profile, new Date(clock.now()));
    return result === "connected" ? { location: this.#redirects.connected(provider.name) } : result;
  }

  #warn(provider: string, error: unknown): void {
    this.#deps.logger.warn("sign_in.provider_failed", { provider, problem: problemOf(error) });
  }
}
