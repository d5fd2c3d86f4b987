import type { Wrenn } from "@wrenn/sdk";
import type { PageAnswer } from "#lib/api/page-calls.ts";
import type { AuthAnswer } from "#lib/session/person.ts";

/** Calls that log in or lead there; none needs credentials (docs/reference/rest-api.md#accounts). */
export class AuthCalls {
  readonly #server: Wrenn;

  /** @param server - a connection without credentials. */
  constructor(server: Wrenn) {
    this.#server = server;
  }

  async logIn(email: string, password: string): Promise<AuthAnswer> {
    return await this.#post("/v1/auth/login", { email, password });
  }

  /** @param token - of the link that the operator was shown. */
  async createFirstAdministrator(
    token: string,
    { email, password, name }: { readonly email: string; readonly password: string; readonly name: string },
  ): Promise<AuthAnswer> {
    return await this.#post("/v1/auth/bootstrap", { token, email, password, name });
  }

  async signUp(email: string, password: string, name: string): Promise<void> {
    await this.#post("/v1/auth/signup", { email, password, name });
  }

  /** @param password - the account's from now on; not needed in the browser that signed up. */
  async activate(token: string, password: string | undefined): Promise<AuthAnswer> {
    return await this.#post("/v1/auth/activate", { token, ...(password === undefined ? {} : { password }) });
  }

  async askForReset(email: string): Promise<void> {
    await this.#post("/v1/me/password/reset", { email });
  }

  async reset(token: string, password: string): Promise<void> {
    await this.#post("/v1/me/password/reset/confirm", { token, new_password: password });
  }

  /** Uses up a link that a program made. */
  async followLink(token: string): Promise<PageAnswer<"POST /v1/auth/browser-links/follow">> {
    return await this.#post("/v1/auth/browser-links/follow", { token });
  }

  /** @param confirmation - of the link that was followed. */
  async confirmLink(confirmation: string): Promise<AuthAnswer> {
    return await this.#post("/v1/auth/browser-links/confirm", { confirmation });
  }

  async #post<T>(path: string, body: unknown): Promise<T> {
    return await this.#server.request<T>("POST", path, { body });
  }
}
