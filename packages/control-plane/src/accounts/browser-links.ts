import { formatId, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { oneTimeTokenQueries, sessionQueries } from "@wrenn/database";
import type { Database, LiveSession, Trx } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import { clientMetadata } from "./client-details.ts";
import type { ClientDetails } from "./client-details.ts";
import { hashToken } from "./sessions.ts";
import type { OpenedSession, Sessions } from "./sessions.ts";

/** How long a browser has to follow a link. */
export const BROWSER_LINK_SEC = 60;
/** How long the person in front of it has to confirm. */
export const CONFIRMATION_SEC = 300;
const TOKEN_BYTES = 32;

type Purpose = "browser_link" | "browser_login";

/** A link that was followed: whose it is, and what confirms it. */
export interface FollowedLink {
  readonly person: LiveSession;
  readonly confirmation: string;
}

export interface BrowserLinksDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly sessions: Sessions;
  readonly audit: AuditLog;
}

/**
 * One-time links by which a program that is logged in opens the dashboard for its person. Following one uses it up, so that it is of
 * no use to those who see it later, such as in a list of processes; the page that followed it asks the person before it logs in.
 * Link and confirmation end with the login of the program (docs/decisions/0051-links-that-log-in.md).
 */
export class BrowserLinks {
  readonly #deps: BrowserLinksDeps;

  constructor(deps: BrowserLinksDeps) {
    this.#deps = deps;
  }

  /** Makes a link; it replaces the one before. @returns its token. */
  async make(session: LiveSession): Promise<string> {
    return await this.#put(this.#deps.database.db, "browser_link", session, BROWSER_LINK_SEC);
  }

  /** Uses a link up. @throws WrennError `one_time_token_invalid`. */
  async follow(token: string): Promise<FollowedLink> {
    return await this.#deps.database.db.transaction().execute(async (trx) => {
      const person = await this.#take(trx, "browser_link", token);
      return { person, confirmation: await this.#put(trx, "browser_login", person, CONFIRMATION_SEC) };
    });
  }

  /** Logs the browser in, in the team that the program acts in. @throws WrennError `one_time_token_invalid`. */
  async confirm(token: string, client: ClientDetails): Promise<OpenedSession> {
    const { audit, database, sessions } = this.#deps;
    const begun = await database.db.transaction().execute(async (trx) => {
      const { id, userId, teamId } = await this.#take(trx, "browser_login", token);
      const login = await sessions.begin(trx, { userId, teamId, client });
      await audit.write(
        trx,
        { teamId, session: login.session },
        {
          resource: "user",
          resourceId: formatId("user", userId),
          action: "login",
          scope: "admin",
          metadata: { ...clientMetadata(client), opened_by: formatId("session", id) },
        },
      );
      return login;
    });
    return await sessions.opened(begun);
  }

  async #put(
    db: Database["db"] | Trx,
    purpose: Purpose,
    { id: sessionId, userId }: LiveSession,
    seconds: number,
  ): Promise<string> {
    const { clock, random } = this.#deps;
    const token = randomHex(random, TOKEN_BYTES);
    const expiresAt = new Date(clock.now() + seconds * 1000);
    await oneTimeTokenQueries.putOneTimeToken(db, {
      hash: hashToken(token),
      purpose,
      userId,
      sessionId,
      expiresAt,
    });
    return token;
  }

  /** The login that the token came from, held until the transaction ends: it still lives, and its person is active. */
  async #take(trx: Trx, purpose: Purpose, token: string): Promise<LiveSession> {
    const now = new Date(this.#deps.clock.now());
    const taken = await oneTimeTokenQueries.takeOneTimeToken(trx, hashToken(token), purpose, now);
    const id = taken?.sessionId ?? undefined;
    const found = id === undefined ? undefined : await sessionQueries.findSession(trx, id, undefined, now);
    const session = found && (await sessionQueries.lockSession(trx, found.id, found.teamId, now));
    if (!session) throw new WrennError("one_time_token_invalid", {});
    return session;
  }
}
