import type { Database } from "@wrenn/database";
import { TOKEN_LIFETIME_SEC } from "./accounts/access-tokens.ts";
import type { SignUpPolicy } from "./accounts/sign-up-policy.ts";
import type { DashboardPage } from "./dashboard/dashboard-page.ts";
import { BODY_LIMIT } from "./http/create-app.ts";
import type { PublicInfo } from "./http/info-routes.ts";
import { MAX_MESSAGE } from "./http/web-sockets.ts";
import { MAX_TIMEOUT_SEC } from "./processes/exec-routes.ts";
import type { PortAddresses } from "./ports/ports.ts";
import type { IdentityProviders } from "./sign-in/identity-providers.ts";

const features = [
  "auto_resume",
  "checkpoints",
  "device_login",
  "egress_policy",
  "events",
  "exec_wait",
  "fork",
  "output_streams",
  "ports",
  "processes",
  "resumable_uploads",
  "snapshots",
  "terminals",
] as const;

export interface PublicInfoDeps {
  readonly version: string;
  readonly database: Database;
  readonly signUpPolicy: SignUpPolicy;
  readonly providers: IdentityProviders;
  readonly execOutputBytes: number;
  readonly edge: Pick<PortAddresses, "portOrigin">;
  readonly dashboardPage: Pick<DashboardPage, "isBuilt">;
}

/** What `GET /v1/info` answers: nothing about hosts, teams or people. */
export function publicInfo(deps: PublicInfoDeps): PublicInfo {
  const { version, database, signUpPolicy, providers, execOutputBytes, edge, dashboardPage } = deps;
  return {
    version,
    features: async () => ((await dashboardPage.isBuilt()) ? [...features, "dashboard"] : features),
    limits: {
      jsonBodyBytes: BODY_LIMIT,
      messageBytes: MAX_MESSAGE,
      execOutputBytes,
      execTimeoutSec: MAX_TIMEOUT_SEC,
      accessTokenSec: TOKEN_LIFETIME_SEC,
    },
    ports: () => edge.portOrigin(),
    signUp: async () => await signUpPolicy.mode(database.db),
    providers: providers.all(),
  };
}
