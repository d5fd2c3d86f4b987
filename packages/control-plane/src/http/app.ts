import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database, LiveSession } from "@wrenn/database";
import type { ApiKeysService } from "../accounts/api-keys.ts";
import type { DeletionService } from "../teams/deletion.ts";
import type { InvitationsService } from "../teams/invitations.ts";
import type { TeamsService } from "../teams/teams.ts";
import { WrennError } from "@wrenn/core";
import type { AdminTeams } from "../teams/admin-teams.ts";
import type { AdminUsers } from "../accounts/admin-users.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { FirstAdmin } from "../accounts/first-admin.ts";
import type { RequestLimits } from "./request-limits.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import type { Sessions } from "../accounts/sessions.ts";
import type { Authenticator } from "../accounts/authenticator.ts";
import type { Identity } from "./identity.ts";
import type { TokenCookie } from "./token-cookie.ts";
import type { AuditEntry } from "../audit/audit.ts";
import type { OutgoingPolicy } from "../channels/outgoing.ts";
import type { ChannelsService } from "../channels/channels-service.ts";
import type { EventFeed } from "../events/event-feed.ts";
import type { MailOutbox } from "../mail/mail-outbox.ts";
import type { Fleet } from "../hosts/fleet.ts";
import type { HostEnrolment } from "../hosts/host-enrolment.ts";
import type { HostMonitor } from "../hosts/host-monitor.ts";
import type { HostsService } from "../hosts/hosts-service.ts";
import type { CapsulesService } from "../capsules/capsules-service.ts";
import type { PortAddresses, PortsService } from "../ports/ports.ts";
import type { UsageService } from "../usage/usage.ts";
import type { Connections } from "../sign-in/connections.ts";
import type { Providers } from "../sign-in/providers.ts";
import type { SignIn } from "../sign-in/sign-in.ts";
import type { TemplatesService } from "../templates/templates.ts";

/** Fastify with our schema types. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What routes work with. */
export interface RouteServices {
  readonly capsules: CapsulesService;
  readonly templates: TemplatesService;
  readonly ports: PortsService;
  readonly usage: UsageService;
  /** Writes down what was done by whom. */
  readonly record: (request: { readonly identity: Identity | undefined }, entry: AuditEntry) => Promise<void>;
  readonly edge: PortAddresses;
  readonly mails: MailOutbox;
  readonly adminUsers: AdminUsers;
  readonly adminTeams: AdminTeams;
  readonly channels: ChannelsService;
  readonly events: EventFeed;
  /** Aborts when the control plane closes: answers without an end of their own end then. */
  readonly closing: AbortSignal;
  /** Where requests that users ask for may go. */
  readonly outgoing: OutgoingPolicy;
  readonly random: Random;
  readonly fleet: Fleet;
  readonly monitor: HostMonitor;
  readonly hosts: HostsService;
  readonly enrolment: HostEnrolment;
  readonly auth: Authenticator;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly firstAdmin: FirstAdmin;
  readonly limiter: RateLimiter;
  readonly limits: RequestLimits;
  readonly apiKeys: ApiKeysService;
  readonly teams: TeamsService;
  readonly deletion: DeletionService;
  readonly invitations: InvitationsService;
  readonly database: Database;
  /** Refresh tokens travel in it. */
  readonly cookie: TokenCookie;
  readonly signIn: SignIn;
  readonly connections: Connections;
  readonly providers: Providers;
  /** Binds an attempt to sign in by a provider to a browser. */
  readonly attemptCookie: TokenCookie;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Set by the authenticated part of the API before any of its routes runs. */
    identity: Identity | undefined;
  }
}

/** Who a request of the authenticated part acts for. */
export function identityOf(request: { readonly identity: Identity | undefined }): Identity {
  if (!request.identity) throw new Error("a route outside the authenticated part asks for an identity");
  return request.identity;
}

/** Team that a request of the authenticated part acts for. */
export function teamOf(request: { readonly identity: Identity | undefined }): string {
  return identityOf(request).teamId;
}

/** The login that a request is of. @throws WrennError `session_required` for a key. */
export function sessionOf(request: { readonly identity: Identity | undefined }): LiveSession {
  const { session } = identityOf(request);
  if (!session) throw new WrennError("session_required", {});
  return session;
}
