import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database, QueuedTransactions } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import { TokenCookie } from "../http/token-cookie.ts";
import type { Mailer } from "../mail/mailer.ts";
import { AccessTokens } from "./access-tokens.ts";
import { Accounts } from "./accounts.ts";
import { ApiKeyAuth } from "./api-key-auth.ts";
import { ApiKeysService } from "./api-keys.ts";
import { BrowserLinks } from "./browser-links.ts";
import { Authenticator } from "./authenticator.ts";
import { FirstAdmin } from "./first-admin.ts";
import type { KeepFirstAdminToken } from "./first-admin.ts";
import { LoginKeys } from "./login-keys.ts";
import { MailedTokens } from "./mailed-tokens.ts";
import { Passwords } from "./passwords.ts";
import { Sessions } from "./sessions.ts";
import { SignUpPolicy } from "./sign-up-policy.ts";
import type { SignUpMode } from "./sign-up-policy.ts";
import { ACTIVATION_MS, SignUps } from "./sign-ups.ts";
import { SignedTokens } from "../secrets/signed-tokens.ts";

export interface AccountServices {
  readonly accounts: Accounts;
  readonly apiKeyAuth: ApiKeyAuth;
  readonly apiKeys: ApiKeysService;
  readonly authenticator: Authenticator;
  readonly browserLinks: BrowserLinks;
  readonly firstAdmin: FirstAdmin;
  readonly loginKeys: LoginKeys;
  /** Refresh tokens travel in it. */
  readonly refreshCookie: TokenCookie;
  readonly sessions: Sessions;
  readonly signedTokens: SignedTokens;
  readonly signUpPolicy: SignUpPolicy;
  readonly signUps: SignUps;
  /** Says which browser signed up. */
  readonly signUpCookie: TokenCookie;
}

const REFRESH_SEC = 30 * 24 * 3600;

export interface AccountServicesDeps {
  readonly database: Database;
  readonly transactions: QueuedTransactions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly mailer: Mailer;
  readonly audit: AuditLog;
  /** Address of the dashboard, for links in mails; cookies need TLS when it has. */
  readonly publicUrl: string;
  readonly keepFirstAdminToken: KeepFirstAdminToken | undefined;
  readonly signUpMode: SignUpMode | undefined;
}

/** Opens accounts, logins and API keys. While there is no administrator, a token that creates the first one is handed over. */
export async function openAccounts(deps: AccountServicesDeps): Promise<AccountServices> {
  const { database, transactions, clock, logger, random, publicUrl, mailer, audit } = deps;
  const { keepFirstAdminToken: keepToken } = deps;
  const signedTokens = await SignedTokens.open({ database, clock, random, logger });
  const sessions = new Sessions(database, new AccessTokens(signedTokens), clock, random);
  const passwords = new Passwords(random);
  const firstAdmin = new FirstAdmin({ database, clock, logger, random, passwords, audit, keepToken });
  await firstAdmin.offer();
  const mailedTokens = new MailedTokens({ clock, random });
  const signUpPolicy = new SignUpPolicy(clock, deps.signUpMode);
  const isSecure = publicUrl.startsWith("https:");
  const apiKeyAuth = new ApiKeyAuth(database, clock, logger);
  return {
    accounts: new Accounts({ database, random, sessions, publicUrl, passwords, mailer, mailedTokens, audit }),
    apiKeyAuth,
    apiKeys: new ApiKeysService({ database, transactions, clock, random, apiKeyAuth, audit }),
    authenticator: new Authenticator(apiKeyAuth, sessions),
    browserLinks: new BrowserLinks({ database, clock, random, sessions, audit }),
    firstAdmin,
    loginKeys: new LoginKeys({ database, transactions, clock, random, audit }),
    refreshCookie: new TokenCookie({
      name: "wrenn_refresh",
      maxAgeSec: REFRESH_SEC,
      sameSite: "Strict",
      secure: isSecure,
    }),
    sessions,
    signedTokens,
    signUpPolicy,
    signUps: new SignUps({
      database,
      clock,
      random,
      passwords,
      sessions,
      mailer,
      mailedTokens,
      policy: signUpPolicy,
      audit,
      publicUrl,
    }),
    signUpCookie: new TokenCookie({
      name: "wrenn_signup",
      maxAgeSec: ACTIVATION_MS / 1000,
      sameSite: "Strict",
      secure: isSecure,
    }),
  };
}
