import type { Database } from "@wrenn/database";
import type { Capsules } from "./capsules/open-capsules.ts";
import type { RequestLimits } from "./http/request-limits.ts";
import type { PortsService } from "./ports/ports.ts";
import type { TemplatesService } from "./templates/templates.ts";

/** What another API of this server works with: the services behind the platform's own API. */
export interface SharedServices {
  readonly capsules: Capsules;
  readonly database: Database;
  readonly limits: RequestLimits;
  readonly ports: PortsService;
  readonly templates: TemplatesService;
}
