import { formatId, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { sessionQueries } from "@wrenn/database";
import type { Database, LiveSession } from "@wrenn/database";
import type { Accounts } from "../accounts/accounts.ts";
import { clientMetadata } from "../accounts/client-details.ts";
import type { ClientDetails } from "../accounts/client-details.ts";
import { hashToken } from "../accounts/sessions.ts";
import type { OpenedSession, Sessions } from "../accounts/sessions.ts";
import type { AuditLog } from "../audit/audit.ts";
import { loopbackAddress } from "./loopback-address.ts";

/** The one program that gets logins in this way. It has no secret: it is a public client (RFC 6749 §2.1). */
const CLIENT_ID = "e2b-cli";
const CLIENT_NAME = "E2B CLI";
const REFRESH_TOKEN = /^[0-9a-f]{64}$/;

/** Paths of the OAuth endpoints, which the API of E2B serves. */
export const OAUTH_PATHS = { token: "/e2b-oauth/token", revoke: "/e2b-oauth/revoke" } as const;

/** What a person decides about. */
export interface AskingProgram {
  /** The address that the program listens at. */
  readonly next: string;
  /** As the program names it. */
  readonly version: string | undefined;
}

export interface ProgramLoginsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly audit: AuditLog;
  /** Where programs reach the platform. */
  readonly publicUrl: string;
}

/**
 * Logins of programs that listen on the loopback interface (RFC 8252): a person approves one in a browser, which is redirected to the
 * program with the tokens of a new login (docs/decisions/0060-logins-of-e2bs-command-line.md).
 */
export class ProgramLogins {
  readonly #deps: ProgramLoginsDeps;

  constructor(deps: ProgramLoginsDeps) {
    this.#deps = deps;
  }

  /**
   * Opens a login of the person for the program.
   *
   * @returns where the browser has to go; the tokens are in the query, because the program reads them there.
   * @throws WrennError `invalid_field` for an address of another machine, `token_invalid` when the approving login has ended.
   */
  async approve(approver: LiveSession, program: AskingProgram, client: ClientDetails): Promise<URL> {
    const { database, clock, sessions, audit, publicUrl } = this.#deps;
    const address = requireLoopback(program.next);
    const { teamId } = approver;
    const device = program.version === undefined ? CLIENT_NAME : `${CLIENT_NAME} ${program.version}`;
    const begun = await database.db.transaction().execute(async (trx) => {
      const live = await sessionQueries.lockSession(trx, approver.id, teamId, new Date(clock.now()));
      if (!live) throw new WrennError("token_invalid", {});
      const login = await sessions.begin(trx, {
        userId: live.userId,
        teamId,
        client,
        device,
        oauthClient: CLIENT_ID,
      });
      await audit.write(
        trx,
        { teamId, session: login.session },
        {
          resource: "user",
          resourceId: formatId("user", live.userId),
          action: "login",
          scope: "admin",
          metadata: { ...clientMetadata(client), device, sent_to: address.host },
        },
      );
      return login;
    });
    const { session, token, refreshToken } = await sessions.opened(begun);
    return withQuery(address, {
      email: session.email,
      accessToken: token,
      refreshToken,
      tokenEndpoint: publicUrl + OAUTH_PATHS.token,
      revokeEndpoint: publicUrl + OAUTH_PATHS.revoke,
      clientId: CLIENT_ID,
    });
  }

  /** Where the browser has to go so that the program learns that it gets nothing. @throws WrennError `invalid_field`. */
  deny(next: string): URL {
    return withQuery(requireLoopback(next), { error: "access_denied" });
  }

  /**
   * Renews the login of a program.
   *
   * @throws WrennError `oauth_client_unknown`; `refresh_token_invalid`, also for a token of a login that no program has.
   */
  async refresh(clientId: string, refreshToken: string, client: ClientDetails): Promise<OpenedSession> {
    requireClient(clientId);
    // A token of another login is left unused.
    if ((await this.#sessionOf(refreshToken)) === undefined)
      throw new WrennError("refresh_token_invalid", {});
    return await this.#deps.sessions.refresh(refreshToken, client);
  }

  /**
   * Ends the login that an access token or refresh token belongs to (RFC 7009); a token that is not valid is fine.
   *
   * @throws WrennError `oauth_client_unknown`.
   */
  async revoke(clientId: string, token: string, client: ClientDetails): Promise<void> {
    requireClient(clientId);
    const { database, clock, accounts, sessions } = this.#deps;
    const sessionId = await this.#sessionOf(token);
    if (sessionId === undefined) return;
    const session = await sessionQueries.findSession(
      database.db,
      sessionId,
      undefined,
      new Date(clock.now()),
    );
    await sessions.revoke(sessionId);
    if (session) await accounts.recordLogin(session, "logout", client);
  }

  /** The login of a program that a token was issued for, used or not. */
  async #sessionOf(token: string): Promise<string | undefined> {
    const { database, sessions } = this.#deps;
    const sessionId = REFRESH_TOKEN.test(token)
      ? (await sessionQueries.findSessionOfToken(database.db, hashToken(token)))?.sessionId
      : await sessions.signedSession(token);
    if (sessionId === undefined) return undefined;
    const program = await sessionQueries.findProgramOfSession(database.db, sessionId);
    return program?.oauthClient === CLIENT_ID ? sessionId : undefined;
  }
}

function requireClient(clientId: string): void {
  if (clientId !== CLIENT_ID) throw new WrennError("oauth_client_unknown", {});
}

function requireLoopback(next: string): URL {
  const address = loopbackAddress(next);
  if (address) return address;
  throw new WrennError("invalid_field", {
    field: "next",
    problem: "must be http://localhost, http://127.0.0.1 or http://[::1] with a port",
  });
}

function withQuery(address: URL, fields: Readonly<Record<string, string>>): URL {
  const url = new URL(address);
  url.search = new URLSearchParams(fields).toString();
  return url;
}
