import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { formatId } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database } from "@wrenn/database";
import { MailOutbox } from "./mail/mail-outbox.ts";
import type { Mailer, MailTransport } from "./mail/mailer.ts";
import { OutboxWorker } from "./outbox/outbox-worker.ts";
import { SealedJson } from "./outbox/sealed-json.ts";
import { actingForPlatform } from "./accounts/administrators.ts";
import { registerAdminUserRoutes } from "./accounts/admin-user-routes.ts";
import { ADMIN_CAPSULES, registerAdminCapsuleRoutes } from "./capsules/admin-capsule-routes.ts";
import { registerAdminMailRoutes } from "./mail/admin-mail-routes.ts";
import { registerAdminTeamRoutes } from "./teams/admin-team-routes.ts";
import { registerAdminTemplateRoutes } from "./templates/admin-template-routes.ts";
import { openAccounts } from "./accounts/open-accounts.ts";
import { AdminTeams } from "./teams/admin-teams.ts";
import { AdminUsers } from "./accounts/admin-users.ts";
import { ApiKeyAuth } from "./accounts/api-key-auth.ts";
import { Authenticator } from "./accounts/authenticator.ts";
import { defaultRates, RequestLimits } from "./http/request-limits.ts";
import type { RequestRates } from "./http/request-limits.ts";
import type { Identity } from "./http/identity.ts";
import { createApp } from "./http/create-app.ts";
import { ChannelsService } from "./channels/channels-service.ts";
import { channelOutbox } from "./channels/channel-outbox.ts";
import type { ChannelConfig } from "./channels/providers.ts";
import { DatabaseEventBus } from "./events/event-bus.ts";
import { publicInternet } from "./channels/outgoing.ts";
import type { OutgoingPolicy } from "./channels/outgoing.ts";
import { EventFeed } from "./events/event-feed.ts";
import { Fleet } from "./hosts/fleet.ts";
import { HostEnrolment } from "./hosts/host-enrolment.ts";
import type { HostCertifier } from "./hosts/host-enrolment.ts";
import { HostsService } from "./hosts/hosts-service.ts";
import { defaultTimes, HostMonitor } from "./hosts/host-monitor.ts";
import type { ConnectHost, LocalHost, MonitorTimes } from "./hosts/host-monitor.ts";
import { defaultCapacity } from "./hosts/placement.ts";
import type { CapacityPolicy } from "./hosts/placement.ts";
import { identityOf } from "./http/app.ts";
import type { App, RouteServices } from "./http/app.ts";
import {
  addAdminRoutes,
  addAuthenticatedRoutes,
  addPublicRoutes,
  addRawBodyRoutes,
} from "./http/route-groups.ts";
import { registerApiKeyRoutes } from "./accounts/api-key-routes.ts";
import { registerAdminAuditLogRoutes, registerAuditLogRoutes } from "./audit/audit-log-routes.ts";
import { registerAuthRoutes } from "./accounts/account-routes.ts";
import { registerCapsuleLifeRoutes } from "./capsules/capsule-life-routes.ts";
import { registerCapsuleMetricsRoutes } from "./capsules/capsule-metrics-routes.ts";
import { registerCapsuleRoutes } from "./capsules/capsule-routes.ts";
import { registerDescription } from "./http/openapi.ts";
import { registerEventRoutes } from "./events/event-routes.ts";
import { registerChannelRoutes } from "./channels/channel-routes.ts";
import { registerExecRoutes } from "./processes/exec-routes.ts";
import { registerFileArchiveRoutes } from "./files/file-archive-routes.ts";
import { registerFileContentRoutes } from "./files/file-content-routes.ts";
import { registerFileDownloadRoutes } from "./files/file-download-routes.ts";
import { registerFileUploadRoutes } from "./files/file-upload-routes.ts";
import { registerFileRoutes } from "./files/file-routes.ts";
import { registerHostAgentRoutes } from "./hosts/host-agent-routes.ts";
import { registerHostRoutes } from "./hosts/host-routes.ts";
import { registerInvitationRoutes } from "./teams/invitation-routes.ts";
import { registerMeRoutes } from "./accounts/me-routes.ts";
import { registerNetworkRoutes } from "./network/network-routes.ts";
import { registerPortSignInRoutes } from "./ports/port-sign-in-routes.ts";
import { registerPortRoutes } from "./ports/port-routes.ts";
import { registerProcessRoutes } from "./processes/process-routes.ts";
import { registerPrometheusRoutes } from "./http/prometheus.ts";
import { registerServiceRoutes } from "./http/service-routes.ts";
import { registerTeamRoutes } from "./teams/team-routes.ts";
import { registerUsageRoutes } from "./usage/usage-routes.ts";
import { registerMyProviderRoutes } from "./sign-in/my-provider-routes.ts";
import { registerSignInRoutes } from "./sign-in/sign-in-routes.ts";
import { openSignIn } from "./sign-in/open-sign-in.ts";
import type { IdentityProvider } from "./sign-in/identity-provider.ts";
import { registerTemplateRoutes } from "./templates/template-routes.ts";
import { ApiKeysService } from "./accounts/api-keys.ts";
import type { AuditEntry } from "./audit/audit.ts";
import { PLATFORM_TEAM } from "./http/identity.ts";
import { CapsulesService } from "./capsules/capsules-service.ts";
import { DeletionService } from "./teams/deletion.ts";
import { InvitationsService } from "./teams/invitations.ts";
import { Operations } from "./hosts/operations.ts";
import { TeamsService } from "./teams/teams.ts";
import { TemplatesService } from "./templates/templates.ts";
import { PortsService } from "./ports/ports.ts";
import type { PortAddresses } from "./ports/ports.ts";
import { UsageService } from "./usage/usage.ts";
import { UnderWay } from "./http/in-flight.ts";
import { createWebSockets } from "./http/web-sockets.ts";

const CLOSE_MS = 5000;

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
  readonly capacity?: CapacityPolicy;
  readonly times?: MonitorTimes;
  /** Milliseconds after which a create answers with a capsule that is still being made; without it, it never does. */
  readonly createAnswerMs?: number | undefined;
  /** How often clients may call the API. */
  readonly rates?: Partial<RequestRates>;
  readonly edge: PortAddresses;
  /** Where requests that users ask for may go; by default the public internet, over TLS. */
  readonly outgoing?: OutgoingPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly version: string;
  /** Services whose accounts can be used to log in here. */
  readonly identityProviders?: readonly IdentityProvider[];
  /** The mail server; without one what people are to be told is in the log, and kept for administrators. */
  readonly mailTransport?: MailTransport | undefined;
  /** Test seam: takes mails instead of the outbox. */
  readonly mailer?: Mailer;
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
  /** Hosts that this control plane can ask. */
  readonly fleet: Fleet;
  /** Ends sessions, gives requests under way a moment, and waits for what was begun. */
  close(): Promise<void>;
}

/** The public API on top of any number of hosts. */
export async function createControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { database, clock, logger, edge } = options;
  const fleet = new Fleet(logger);
  const keys = new ApiKeyAuth(database, clock, logger);
  const mails = await MailOutbox.open({ ...options, transport: options.mailTransport });
  const people = await openAccounts({ ...options, mailer: options.mailer ?? mails });
  const { audit } = people;
  const operations = new Operations(options);
  const templates = new TemplatesService(database, fleet, options.random);
  const capsules = new CapsulesService({
    ...options,
    fleet,
    operations,
    templates,
    capacity: options.capacity ?? defaultCapacity,
  });
  const enrolment = new HostEnrolment({ ...options, signed: people.signed });
  const monitor = new HostMonitor({
    ...options,
    fleet,
    operations,
    times: options.times ?? defaultTimes,
    onTurn: async (host, turn) =>
      await audit.write(
        database.db,
        { teamId: host.team_id ?? PLATFORM_TEAM },
        {
          resource: "host",
          resourceId: formatId("host", host.id),
          action: `marked_${turn}`,
          scope: "admin",
          status: turn === "down" ? "error" : "success",
        },
      ),
  });
  await monitor.start();
  const auth = new Authenticator(keys, people.sessions);
  const ports = new PortsService(database, capsules, auth, people.sessions);
  const usage = new UsageService(database, clock, logger);
  const bus = new DatabaseEventBus(database);
  const closing = new AbortController();
  const outgoing = options.outgoing ?? publicInternet;
  const sealed = await SealedJson.open<ChannelConfig>(database, options.random, "channel-configs");
  const deliveries = new OutboxWorker(options, channelOutbox({ ...options, outgoing, sealed }));
  const mailsOut = mails.outbox();
  const postman = mailsOut && new OutboxWorker(options, mailsOut);
  const services = {
    mails,
    adminUsers: new AdminUsers({ ...people, database, keys, capsules }),
    adminTeams: new AdminTeams({ database, audit }),
    channels: new ChannelsService({ ...options, audit, sealed }),
    events: new EventFeed(database, bus, clock),
    closing: closing.signal,
    outgoing,
    random: options.random,
    usage,
    record: (request: { readonly identity: Identity | undefined }, entry: AuditEntry) =>
      audit.writeAlone(identityOf(request), entry),
    capsules,
    templates,
    ports,
    edge,
    fleet,
    monitor,
    enrolment,
    hosts: new HostsService({ ...options, fleet, enrolment, audit }),
    auth,
    ...people,
    ...openSignIn({ ...options, ...people }),
    limits: new RequestLimits(clock, { ...defaultRates, ...options.rates }),
    apiKeys: new ApiKeysService({ ...options, keys, audit }),
    invitations: new InvitationsService({ ...options, ...people, audit }),
    teams: new TeamsService({ ...options, sessions: people.sessions, audit }),
    deletion: new DeletionService({ ...options, ...people, keys, audit, capsules, templates }),
    database,
    clock,
    logger,
    version: options.version,
  };
  const app = await createApp(options, options.version);
  await registerFeatures(app, services);
  await app.ready();
  const sessions = createWebSockets(services, options.random);
  const underWay = new UnderWay();
  return {
    handlers: {
      request: (request, response) => {
        underWay.follow(response);
        app.routing(request, response);
      },
      upgrade: sessions.upgrade,
    },
    ports,
    fleet,
    close: async () => {
      sessions.close();
      closing.abort(new Error("the server is closing"));
      await underWay.drain(CLOSE_MS);
      await app.close();
      usage.close();
      await capsules.close();
      await monitor.close();
      await deliveries.close();
      await postman?.close();
      await bus.close();
      await keys.close();
    },
  };
}

async function registerFeatures(app: App, services: RouteServices): Promise<void> {
  const { database, limits } = services;
  // In the outermost scope, so that it sees the requests of all.
  registerPrometheusRoutes(app, services);
  registerServiceRoutes(app, services);
  registerHostAgentRoutes(app, services);
  await addPublicRoutes(app, limits, async (group) => {
    await registerDescription(group, app);
    registerAuthRoutes(group, services);
    registerSignInRoutes(group, services);
    registerPortSignInRoutes(group, services);
  });
  await addAuthenticatedRoutes(app, { authenticator: services.auth, limits }, async (group) => {
    for (const register of [
      registerMeRoutes,
      registerMyProviderRoutes,
      registerApiKeyRoutes,
      registerTeamRoutes,
      registerInvitationRoutes,
      registerAuditLogRoutes,
      registerUsageRoutes,
      registerChannelRoutes,
      registerHostRoutes,
      registerEventRoutes,
      registerNetworkRoutes,
      registerCapsuleRoutes,
      registerCapsuleLifeRoutes,
      registerCapsuleMetricsRoutes,
      registerExecRoutes,
      registerProcessRoutes,
      registerTemplateRoutes,
      registerFileRoutes,
      registerFileDownloadRoutes,
      registerFileArchiveRoutes,
      registerPortRoutes,
    ])
      register(group, services);
    await addRawBodyRoutes(group, (raw) => {
      for (const register of [registerFileContentRoutes, registerFileUploadRoutes]) register(raw, services);
    });
    const actForPlatform = async (identity: Identity) => await actingForPlatform(database, identity);
    await addAdminRoutes(group, actForPlatform, async (admin) => {
      for (const register of [
        registerAdminUserRoutes,
        registerAdminTeamRoutes,
        registerAdminTemplateRoutes,
        registerAdminCapsuleRoutes,
        registerAdminAuditLogRoutes,
        registerAdminMailRoutes,
      ])
        register(admin, services);
      for (const register of [
        registerCapsuleRoutes,
        registerCapsuleMetricsRoutes,
        registerExecRoutes,
        registerProcessRoutes,
        registerFileRoutes,
        registerFileDownloadRoutes,
      ])
        register(admin, services, ADMIN_CAPSULES);
      await addRawBodyRoutes(admin, (raw) => registerFileUploadRoutes(raw, services, ADMIN_CAPSULES));
    });
  });
}
