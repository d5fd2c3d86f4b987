import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock, Logger, Random, TrustedProxies } from "@wrenn/core";
import type { Database, RetentionRules } from "@wrenn/database";
import type { KeepFirstAdminToken } from "./accounts/first-admin.ts";
import type { SignUpMode } from "./accounts/sign-up-policy.ts";
import type { TemplateBuilder } from "./builds/template-builder.ts";
import type { OutgoingPolicy } from "./channels/outgoing.ts";
import type { ClientPackageFiles } from "./downloads/client-packages.ts";
import type { Fleet } from "./hosts/fleet.ts";
import type { HostCertifier } from "./hosts/host-enrolment.ts";
import type { ConnectHost, LocalHost, MonitorTimes } from "./hosts/host-monitor.ts";
import type { CapacityPolicy } from "./hosts/placement.ts";
import type { RequestLimits, RequestLimitsOptions, RequestRates } from "./http/request-limits.ts";
import type { BodyLimits } from "./http/limit-bodies.ts";
import type { RouteSchemas } from "./http/route-schemas.ts";
import type { WorkCounts } from "./http/pending-work.ts";
import type { IdleMachinesReader } from "./http/prometheus.ts";
import type { Mailer, MailTransport } from "./mail/mailer.ts";
import type { PortAddresses, PortsService } from "./ports/ports.ts";
import type { FirstUseBuilds } from "./templates/first-use.ts";
import type { SharedServices } from "./shared-services.ts";
import type { IdentityProvider } from "./sign-in/identity-provider.ts";

/** How much accounts may have, and leave in the audit log. */
export interface AccountLimits {
  /** Teams that one person may own. */
  readonly teamsPerOwner: number;
  /** How long entries of the audit log are kept. */
  readonly auditDays: number;
  /** Entries of the audit log that a team keeps, of routine ones and of the others each. */
  readonly auditEntries: number;
}

export interface ControlPlaneOptions {
  readonly database: Database;
  /** UUID of this control plane, the same after a restart: it takes over what it had begun. */
  readonly instanceId: string;
  /** The host in this process, if there is one. */
  readonly localHost?: LocalHost | undefined;
  /** Opens links to hosts on other machines; without it there are none. */
  readonly connectHost?: ConnectHost;
  /** Signs certificates of hosts on other machines; without it none can register. */
  readonly certifier?: HostCertifier;
  /** Networks that hosts of teams may be in besides the internet: `ADDRESS/BITS` or single addresses. */
  readonly hostNetworks?: readonly string[] | undefined;
  /** Builds templates; default: one that builds in capsules. */
  readonly templateBuilder?: TemplateBuilder | undefined;
  /** Builds built-in templates when they are first used; without it, creates answer how the operator builds them. */
  readonly firstUse?: FirstUseBuilds | undefined;
  readonly capacity?: CapacityPolicy;
  readonly times?: MonitorTimes;
  /** Milliseconds from its arrival after which a create answers with a capsule that is still being made; without it, it never does. */
  readonly createAnswerMs?: number | undefined;
  /** How often clients may call the API. */
  readonly rates?: Partial<RequestRates> | undefined;
  /** Proxies whose word about a client is believed. Default: no one's. */
  readonly proxies?: TrustedProxies | undefined;
  /** Called with the connection of a client that showed good credentials. */
  readonly onAuthenticated?: RequestLimitsOptions["onAuthenticated"];
  /** How long saved states of teams without another rule are kept; default: without an end. */
  readonly retention?: RetentionRules | undefined;
  /** How many calls and sessions of capsules, and how many other requests of one team, may be under way. */
  readonly work?: {
    readonly calls?: WorkCounts;
    readonly sessions?: WorkCounts;
    readonly requestsPerTeam?: number;
  };
  /** Opens `/metrics` to collectors on other machines; without it there are none. */
  readonly metricsToken?: string | undefined;
  /** Machines of the own host that wait for capsules, for the metrics. */
  readonly waitingMachines?: IdleMachinesReader | undefined;
  /** Machines of paused capsules that the own host keeps, for the metrics. */
  readonly parkedMachines?: IdleMachinesReader | undefined;
  /** Memory of request bodies; see `bodyLimits`. */
  readonly bodyLimits?: BodyLimits | undefined;
  readonly edge: PortAddresses;
  /** The packages for client machines that `/download` serves; without them it answers that there are none. */
  readonly clientPackages?: ClientPackageFiles | undefined;
  /** Folder with the built dashboard; without it its addresses say that it is not built. */
  readonly dashboard?: string | undefined;
  /** Exact origins of pages that may use the API besides the platform's; default: no others. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Bytes that a foreground command's answer keeps of each stream. */
  readonly execOutputBytes?: number | undefined;
  /** Where requests that users ask for may go; by default the public internet, over TLS. */
  readonly outgoing?: OutgoingPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly version: string;
  /** Who may make an account; by default `invite` once there is an administrator, and `open` before. */
  readonly signUpMode?: SignUpMode | undefined;
  readonly accountLimits?: Partial<AccountLimits> | undefined;
  /** Services whose accounts can be used to log in here. */
  readonly identityProviders?: readonly IdentityProvider[];
  /** The mail server; without one mails are kept for administrators. */
  readonly mailTransport?: MailTransport | undefined;
  /** Test seam: takes mails instead of the outbox. */
  readonly mailer?: Mailer;
  /** Gets the token that creates the first administrator; without it there is no way to create one. */
  readonly keepFirstAdminToken?: KeepFirstAdminToken;
  /** Test seam: compiles the schemas of all routes. */
  readonly schemas?: RouteSchemas;
  /** Address of the dashboard, for links in mails; cookies need TLS when it has. */
  readonly publicUrl: string;
}

export interface ControlPlane {
  /** Takes requests of the public API; who listens is the caller's affair. */
  readonly handlers: {
    readonly request: (request: IncomingMessage, response: ServerResponse) => void;
    readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  };
  /** What the edge asks about ports of capsules. */
  readonly ports: PortsService;
  /** For other APIs of this server. */
  readonly services: SharedServices;
  /** Hosts that this control plane can ask. */
  readonly fleet: Fleet;
  /** Waits for the work that requests left to do after their answers. */
  settle(): Promise<void>;
  /** How often clients may try credentials, at the ports of capsules too. */
  readonly limits: RequestLimits;
  /** Ends sessions, gives requests under way a moment, and waits for what was begun. */
  close(): Promise<void>;
}
