import type { OpenedSession } from "../accounts/sessions.ts";

/** Why logging in by a provider failed, for the page that the browser returns to (docs/reference/control-plane.md#sign-in-by-providers). */
export type SignInProblem =
  | "access_denied"
  | "invalid_state"
  | "missing_code"
  | "exchange_failed"
  | "account_deactivated"
  | "no_account"
  | "email_taken"
  | "email_unverified"
  | "already_linked"
  | "sign_up_closed"
  | "invitation_required"
  | "provider_unavailable"
  | "db_error";

/** Where a browser goes when it comes back from a provider, and with what. */
export interface SignInResult {
  readonly location: string;
  readonly session?: OpenedSession;
}

/** Pages of the dashboard that a browser goes to (docs/reference/rest-api.md#accounts). */
export class SignInRedirects {
  readonly #publicUrl: string;

  constructor(publicUrl: string) {
    this.#publicUrl = publicUrl;
  }

  callbackUrl(provider: string): string {
    return `${this.#publicUrl}/auth/oauth/${encodeURIComponent(provider)}/callback`;
  }

  loggedIn(provider: string, isNew: boolean): string {
    return this.#callbackPage(provider, isNew ? "?new_signup=1" : "");
  }

  loginFailed(provider: string, problem: SignInProblem): string {
    return this.#callbackPage(provider, `?error=${problem}`);
  }

  connected(provider: string): string {
    return `${this.#publicUrl}/dashboard/settings?connected=${encodeURIComponent(provider)}`;
  }

  connectFailed(problem: SignInProblem): string {
    return `${this.#publicUrl}/dashboard/settings?connect_error=${problem}`;
  }

  #callbackPage(provider: string, query: string): string {
    return `${this.#publicUrl}/auth/${encodeURIComponent(provider)}/callback${query}`;
  }
}
