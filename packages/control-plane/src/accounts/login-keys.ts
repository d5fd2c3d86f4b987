import { formatId, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { adminTeamQueries, apiKeyQueries, secretQueries, sessionQueries } from "@wrenn/database";
import type { Database, LiveSession, ProgramOfSession, QueuedTransactions } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import { hashApiKey } from "./api-key-auth.ts";
import { MAX_KEYS } from "./api-keys.ts";
import { derivedApiKey } from "./new-api-key.ts";

const SECRET_BYTES = 32;

export interface LoginKeysDeps {
  readonly database: Database;
  readonly transactions: QueuedTransactions;
  readonly clock: Clock;
  readonly random: Random;
  readonly audit: AuditLog;
}

/**
 * API keys of a program's login: one for each team of the person. A key is a keyed hash of the id of its row, so that the program gets the
 * same key each time it asks, and no key is stored. A key that a person revokes is gone with its row: the program then gets another one.
 * All of them end with the login, and one ends with the membership in its team.
 */
export class LoginKeys {
  readonly #deps: LoginKeysDeps;
  #secret: Promise<Buffer> | undefined;

  constructor(deps: LoginKeysDeps) {
    this.#deps = deps;
  }

  /**
   * The keys of a login by team, those that are missing made.
   *
   * @param teams - of the person. One without room for another key gets none, unless the login acts in it.
   * @returns undefined for a login that is not a program's: it gets no keys.
   * @throws WrennError `limit_reached` for the team that the login acts in, `token_invalid`.
   */
  async keysOf(
    session: LiveSession,
    teams: readonly string[],
  ): Promise<ReadonlyMap<string, string> | undefined> {
    const { db } = this.#deps.database;
    const program = await sessionQueries.findProgramOfSession(db, session.id);
    if (!program) return undefined;
    const secret = await this.#secretKey();
    const known = await apiKeyQueries.findKeysOfSession(db, session.id);
    const keys = new Map<string, string>();
    for (const teamId of teams)
      try {
        const id = known.get(teamId) ?? (await this.#ensure(session, teamId, program));
        keys.set(teamId, derivedApiKey(secret, id).key);
      } catch (error) {
        const isLeftOut = WrennError.is(error, "limit_reached") || WrennError.is(error, "token_invalid");
        if (!isLeftOut || teamId === session.teamId) throw error;
      }
    return keys;
  }

  /** Makes the key of a login in a team, or finds the one that another request has just made. @returns the id of its row. */
  async #ensure(session: LiveSession, teamId: string, program: ProgramOfSession): Promise<string> {
    const { transactions, clock, random, audit } = this.#deps;
    const secret = await this.#secretKey();
    return await transactions.run("team", teamId, async (trx) => {
      // Several creates at once count each other.
      await adminTeamQueries.lockTeamLimits(trx, teamId);
      const live = await sessionQueries.lockSession(trx, session.id, teamId, new Date(clock.now()));
      if (!live) throw new WrennError("token_invalid", {});
      const made = (await apiKeyQueries.findKeysOfSession(trx, session.id)).get(teamId);
      if (made !== undefined) return made;
      if ((await apiKeyQueries.listApiKeys(trx, teamId)).length >= MAX_KEYS)
        throw new WrennError("limit_reached", { limit: MAX_KEYS, things: "API keys" });
      const id = random.uuid();
      const { key, prefix } = derivedApiKey(secret, id);
      await apiKeyQueries.insertApiKey(trx, {
        id,
        teamId,
        name: program.name,
        hash: hashApiKey(key),
        prefix,
        createdBy: session.userId,
        expiresAt: program.expiresAt,
        sessionId: session.id,
      });
      await audit.write(
        trx,
        { teamId, session: live },
        {
          resource: "api_key",
          resourceId: formatId("apiKey", id),
          action: "create",
          metadata: { name: program.name },
        },
      );
      return id;
    });
  }

  async #secretKey(): Promise<Buffer> {
    const { database, random } = this.#deps;
    this.#secret ??= secretQueries.ensureSecret(database.db, "login-keys", () => random.bytes(SECRET_BYTES));
    try {
      return await this.#secret;
    } catch (error) {
      this.#secret = undefined;
      throw error;
    }
  }
}
