import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database } from "@wrenn/database";
import { TokenCookie } from "../http/token-cookie.ts";
import { AuditLog } from "../audit/audit.ts";
import { AccessTokens } from "./access-tokens.ts";
import { Accounts } from "./accounts.ts";
import { FirstAdmin } from "./first-admin.ts";
import type { Mailer } from "../mail/mailer.ts";
import { Passwords } from "./passwords.ts";
import { RateLimiter } from "../http/rate-limiter.ts";
import { SignedTokens } from "./signed-tokens.ts";
import { Sessions } from "./sessions.ts";

export interface AccountServices {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly firstAdmin: FirstAdmin;
  readonly limiter: RateLimiter;
  readonly cookie: TokenCookie;
  readonly mailer: Mailer;
  readonly signed: SignedTokens;
  readonly audit: AuditLog;
}

const REFRESH_SEC = 30 * 24 * 3600;

export interface AccountServicesOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly mailer: Mailer;
  readonly publicUrl: string;
}

/** Everything about people, on top of the database. */
export async function openAccounts(options: AccountServicesOptions): Promise<AccountServices> {
  const { database, clock, logger, random, publicUrl, mailer } = options;
  const signed = await SignedTokens.open(database, clock, random);
  const tokens = new AccessTokens(signed);
  const sessions = new Sessions(database, tokens, clock, random);
  const passwords = new Passwords(random);
  const firstAdmin = new FirstAdmin({ database, clock, logger, random, passwords });
  await firstAdmin.offer();
  const audit = new AuditLog(database, random);
  return {
    mailer,
    signed,
    audit,
    firstAdmin,
    accounts: new Accounts({
      database,
      clock,
      random,
      sessions,
      publicUrl,
      passwords,
      mailer,
      audit,
    }),
    sessions,
    limiter: new RateLimiter(clock),
    cookie: new TokenCookie({
      name: "wrenn_refresh",
      maxAgeSec: REFRESH_SEC,
      sameSite: "Strict",
      secure: publicUrl.startsWith("https:"),
    }),
  };
}
