import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database } from "@wrenn/database";
import type { SignUpPolicy } from "../accounts/sign-up-policy.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { ApiKeysService } from "../accounts/api-keys.ts";
import type { Sessions } from "../accounts/sessions.ts";
import type { Mailer } from "../mail/mailer.ts";
import { TokenCookie } from "../http/token-cookie.ts";
import type { AuditLog } from "../audit/audit.ts";
import { Connections } from "./connections.ts";
import { DeviceLogins } from "./device-logins.ts";
import type { IdentityProvider } from "./identity-provider.ts";
import { IdentityProviders } from "./identity-providers.ts";
import { ProgramLogins } from "./program-logins.ts";
import { ATTEMPT_MS, SignIn } from "./sign-in.ts";

/** Everything about signing in by accounts of other services. */
export interface SignInServices {
  readonly signIn: SignIn;
  readonly connections: Connections;
  readonly devices: DeviceLogins;
  readonly programs: ProgramLogins;
  readonly providers: IdentityProviders;
  readonly attemptCookie: TokenCookie;
}

export interface SignInServicesDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly accounts: Accounts;
  readonly apiKeys: ApiKeysService;
  readonly sessions: Sessions;
  readonly policy: SignUpPolicy;
  readonly mailer: Mailer;
  readonly audit: AuditLog;
  readonly identityProviders: readonly IdentityProvider[];
  readonly publicUrl: string;
}

export function openSignIn(deps: SignInServicesDeps): SignInServices {
  const { database, clock, logger, random, accounts, apiKeys, sessions, policy, mailer, audit, publicUrl } =
    deps;
  const providers = new IdentityProviders(deps.identityProviders);
  const connections = new Connections({ database, providers, mailer, audit });
  return {
    signIn: new SignIn({
      database,
      clock,
      logger,
      random,
      accounts,
      connections,
      policy,
      providers,
      publicUrl,
    }),
    connections,
    devices: new DeviceLogins({ database, clock, random, apiKeys, sessions, audit }),
    programs: new ProgramLogins({ database, clock, accounts, sessions, audit, publicUrl }),
    providers,
    // Lax: the provider leads the browser back here, and the cookie has to come along.
    attemptCookie: new TokenCookie({
      name: "wrenn_oauth_state",
      maxAgeSec: ATTEMPT_MS / 1000,
      sameSite: "Lax",
      secure: publicUrl.startsWith("https:"),
    }),
  };
}
