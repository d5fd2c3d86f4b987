import type { Database } from "@wrenn/database";
import type { ApiKeysService } from "./accounts/api-keys.ts";
import type { LoginKeys } from "./accounts/login-keys.ts";
import type { Sessions } from "./accounts/sessions.ts";
import type { RecordAudit } from "./audit/audit.ts";
import type { BuildArchives } from "./builds/build-archives.ts";
import type { BuildsService } from "./builds/builds.ts";
import type { Capsules } from "./capsules/open-capsules.ts";
import type { Fleet } from "./hosts/fleet.ts";
import type { OpenedApi, OtherApi } from "./http/other-api.ts";
import type { AddCounter } from "./http/prometheus.ts";
import type { RequestLimits } from "./http/request-limits.ts";
import type { CapsuleLogs } from "./logs/capsule-logs.ts";
import type { PortsService } from "./ports/ports.ts";
import type { ProgramLogins } from "./sign-in/program-logins.ts";
import type { TemplatesService } from "./templates/templates.ts";

/** What another API of this server works with: the services behind the platform's own API. */
export interface SharedServices {
  readonly apiKeys: ApiKeysService;
  readonly archives: BuildArchives;
  readonly builds: BuildsService;
  readonly capsules: Capsules;
  readonly database: Database;
  readonly fleet: Fleet;
  readonly limits: RequestLimits;
  readonly loginKeys: LoginKeys;
  readonly logs: CapsuleLogs;
  readonly ports: PortsService;
  readonly programs: ProgramLogins;
  readonly sessions: Sessions;
  readonly templates: TemplatesService;
  /** Records what a request of {@link openApi} did. */
  readonly record: RecordAudit;
  readonly addCounter: AddCounter;
  /** Aborts when the server begins to close, with `server_closing`: requests that wait end their waits. */
  readonly closing: AbortSignal;
  /** Opens an API whose callers, limits and records are those of the platform's own. */
  openApi(api: OtherApi): Promise<OpenedApi>;
}
