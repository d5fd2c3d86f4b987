import { timingSafeEqual } from "node:crypto";
import { DAY_MS, problemOf, randomHex, WrennError, formatId } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { oneTimeTokenQueries, teamQueries, userQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";
import type { Passwords } from "./passwords.ts";
import { hashToken } from "./sessions.ts";

const TOKEN_MS = DAY_MS;
const TOKEN_BYTES = 32;

/** Takes the token that creates the first administrator, for the operator alone; undefined when it is no longer of use. */
export type KeepFirstAdminToken = (token: string | undefined) => Promise<void>;

export interface FirstAdminDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly passwords: Passwords;
  /** Without it no token is made. */
  readonly keepToken: KeepFirstAdminToken | undefined;
  readonly audit: AuditLog;
}

/** The first administrator is the operator, who can read the server's files, not the first person who signs up. */
export class FirstAdmin {
  readonly #deps: FirstAdminDeps;
  /** Hash of the token that the operator has. */
  #offered: string | undefined;

  constructor(deps: FirstAdminDeps) {
    this.#deps = deps;
  }

  /** Makes a token while there is no administrator; it replaces the one of an earlier start. */
  async offer(): Promise<void> {
    const { database, clock, random, keepToken } = this.#deps;
    if (!keepToken) return;
    if (await userQueries.adminExists(database.db)) {
      this.#offered = undefined;
      await keepToken(undefined);
      return;
    }
    const token = randomHex(random, TOKEN_BYTES);
    this.#offered = hashToken(token);
    await oneTimeTokenQueries.putOneTimeToken(database.db, {
      hash: this.#offered,
      purpose: "bootstrap",
      userId: null,
      expiresAt: new Date(clock.now() + TOKEN_MS),
    });
    await keepToken(token);
  }

  /**
   * Hands a fresh token over in the place of the one that the operator has, also of one that has expired. The answer does not have it:
   * who holds only the old one gains nothing.
   *
   * @throws WrennError `one_time_token_invalid` for any other token, and once there is an administrator.
   */
  async renew(token: string): Promise<void> {
    const offered = this.#offered;
    const isTheirs =
      offered !== undefined && timingSafeEqual(Buffer.from(hashToken(token)), Buffer.from(offered));
    if (isTheirs) await this.offer();
    // There may be an administrator by another control plane.
    if (!isTheirs || this.#offered === undefined) throw new WrennError("one_time_token_invalid", {});
  }

  /**
   * Adds the administrator, who can log in at once, and owns the team that the installation began with: the capsules of the first key
   * are theirs.
   *
   * @throws WrennError `one_time_token_invalid`, `email_taken`.
   */
  async create(token: string, admin: { email: string; password: string; name: string }): Promise<void> {
    const { audit, database, clock, logger, passwords, random, keepToken } = this.#deps;
    const { email, name } = admin;
    const passwordHash = await passwords.hash(admin.password);
    await database.db.transaction().execute(async (trx) => {
      const taken = await oneTimeTokenQueries.takeOneTimeToken(
        trx,
        hashToken(token),
        "bootstrap",
        new Date(clock.now()),
      );
      if (!taken) throw new WrennError("one_time_token_invalid", {});
      const user = { id: random.uuid(), email, name, passwordHash, status: "active" as const, isAdmin: true };
      // A refusal takes the use of the token back.
      if (!(await userQueries.insertUser(trx, user))) throw new WrennError("email_taken", {});
      const resourceId = formatId("user", user.id);
      const entry = { resource: "user", resourceId, action: "bootstrap", metadata: { email } };
      await audit.write(trx, { teamId: PLATFORM_TEAM }, { ...entry, scope: "admin", status: "warning" });
      const teamId = await teamQueries.findTeamOfNobody(trx, PLATFORM_TEAM);
      if (teamId === undefined) return;
      await userQueries.insertMembership(trx, { userId: user.id, teamId, role: "owner", isDefault: true });
      const joined = { resource: "member", resourceId, action: "join", metadata: { role: "owner" } };
      await audit.write(trx, { teamId }, { ...joined, scope: "admin", status: "info" });
    });
    this.#offered = undefined;
    try {
      await keepToken?.(undefined);
    } catch (error) {
      // The administrator exists, and the token is used up.
      logger.warn("account.first_admin_token_left", { problem: problemOf(error) });
    }
  }
}
