import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";
import type { Sessions } from "./sessions.ts";
import type { ApiKeyAuth } from "./api-key-auth.ts";
import { bearerToken } from "../http/identity.ts";
import type { Identity, RequestAuthenticator } from "../http/identity.ts";

/** Finds who a request acts for (docs/reference/rest-api.md#credentials): by a key if there is one, and only by it; else by a token. */
export class Authenticator implements RequestAuthenticator {
  readonly #keys: ApiKeyAuth;
  readonly #sessions: Sessions;

  constructor(keys: ApiKeyAuth, sessions: Sessions) {
    this.#keys = keys;
    this.#sessions = sessions;
  }

  /** @throws WrennError `credentials_missing`, `api_key_invalid`, `token_invalid`, `account_deactivated`. */
  async authenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    if (headers["x-api-key"] !== undefined) return await this.#keys.authenticate(headers);
    const token = bearerToken(headers);
    if (token === undefined)
      throw new WrennError(headers.authorization === undefined ? "credentials_missing" : "token_invalid", {});
    const session = await this.#sessions.authenticate(token);
    return { teamId: session.teamId, session };
  }

  async signedSession(token: string): Promise<string | undefined> {
    return await this.#sessions.signedSession(token);
  }
}
