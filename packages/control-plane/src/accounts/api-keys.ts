import { defined, formatId, parseId, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { adminTeamQueries, apiKeyQueries, sessionQueries } from "@wrenn/database";
import type { ApiKeyRow, Database, LiveSession, QueuedTransactions, Trx } from "@wrenn/database";
import { hashApiKey } from "./api-key-auth.ts";
import type { ApiKeyAuth } from "./api-key-auth.ts";
import { newApiKey } from "./new-api-key.ts";
import type { ApiKeyForm } from "./new-api-key.ts";
import type { Scope } from "../http/identity.ts";
import type { AuditEntry } from "../audit/audit-entry.ts";
import type { AuditLog } from "../audit/audit.ts";

/** API keys of one team. */
export const MAX_KEYS = 100;

export interface NewApiKey {
  readonly name: string;
  readonly scopes?: readonly Scope[];
  readonly expiresAt?: Date;
  /** Default: the platform's own. */
  readonly form?: ApiKeyForm;
}

export interface ApiKeysDeps {
  readonly database: Database;
  readonly transactions: QueuedTransactions;
  readonly clock: Clock;
  readonly random: Random;
  readonly apiKeyAuth: ApiKeyAuth;
  readonly audit: AuditLog;
}

/** API keys of teams (docs/reference/rest-api.md#api-keys). Members see and revoke their own, owners and admins every one. */
export class ApiKeysService {
  readonly #deps: ApiKeysDeps;

  constructor(deps: ApiKeysDeps) {
    this.#deps = deps;
  }

  /** @returns the row, and the key itself, which is kept nowhere. @throws WrennError `limit_reached`, `token_invalid`. */
  async create(
    session: LiveSession,
    { name, scopes, expiresAt, form = "wrenn" }: NewApiKey,
  ): Promise<{ readonly row: ApiKeyRow; readonly key: string }> {
    const { transactions, random, audit, clock } = this.#deps;
    const { key, prefix } = newApiKey(random, form);
    const row = await transactions.run("team", session.teamId, async (trx) => {
      // Several creates at once count each other.
      await adminTeamQueries.lockTeamLimits(trx, session.teamId);
      // What the request was admitted by may have ended since.
      if (!(await sessionQueries.lockSession(trx, session.id, session.teamId, new Date(clock.now()))))
        throw new WrennError("token_invalid", {});
      if ((await apiKeyQueries.listApiKeys(trx, session.teamId)).length >= MAX_KEYS)
        throw new WrennError("limit_reached", { limit: MAX_KEYS, things: "API keys" });
      const inserted = await apiKeyQueries.insertApiKey(trx, {
        id: random.uuid(),
        teamId: session.teamId,
        name,
        hash: hashApiKey(key),
        prefix,
        createdBy: session.userId,
        ...defined({ scopes, expiresAt }),
      });
      await audit.write(
        trx,
        { teamId: session.teamId, session },
        {
          resource: "api_key",
          resourceId: formatId("apiKey", inserted.id),
          action: "create",
          metadata: { name },
        },
      );
      return inserted;
    });
    return { row, key };
  }

  async list(session: LiveSession): Promise<Awaited<ReturnType<typeof apiKeyQueries.listApiKeys>>> {
    const rows = await apiKeyQueries.listApiKeys(this.#deps.database.db, session.teamId);
    return session.role === "member" ? rows.filter((row) => row.created_by === session.userId) : rows;
  }

  /** Gives a key another name. @throws WrennError `api_key_not_found`, also for one of others. */
  async rename(session: LiveSession, publicId: string, name: string): Promise<void> {
    const renamed = await this.#change(
      session,
      publicId,
      async (trx, id) => await apiKeyQueries.renameApiKey(trx, session.teamId, id, name),
      () => ({ action: "rename", metadata: { name } }),
    );
    if (!renamed) throw new WrennError("api_key_not_found", {});
  }

  /**
   * Makes a key useless at once; one that is not there is fine.
   *
   * @returns whether it was there.
   * @throws WrennError `api_key_not_found` for one of others.
   */
  async revoke(session: LiveSession, publicId: string): Promise<boolean> {
    return await this.#change(
      session,
      publicId,
      async (trx, id) => await apiKeyQueries.deleteApiKey(trx, session.teamId, id),
      ({ name }) => ({ action: "revoke", status: "warning", metadata: { name } }),
    );
  }

  /** Changes a key that the session may change, and records it. @returns whether there is one. */
  async #change(
    session: LiveSession,
    publicId: string,
    change: (trx: Trx, id: string) => Promise<ApiKeyRow | undefined>,
    entryOf: (row: ApiKeyRow) => Pick<AuditEntry, "action" | "status" | "metadata">,
  ): Promise<boolean> {
    const { database, apiKeyAuth, audit } = this.#deps;
    const id = parseId("apiKey", publicId);
    const changed = await database.db.transaction().execute(async (trx) => {
      const row = await change(trx, id);
      if (!row) return false;
      if (session.role === "member" && row.created_by !== session.userId)
        throw new WrennError("api_key_not_found", {});
      await audit.write(
        trx,
        { teamId: session.teamId, session },
        { resource: "api_key", resourceId: publicId, ...entryOf(row) },
      );
      return true;
    });
    apiKeyAuth.forget({ kind: "key", id });
    return changed;
  }
}
