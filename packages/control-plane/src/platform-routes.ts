import type { Clock, Logger, Random, TrustedProxies } from "@wrenn/core";
import type { Database } from "@wrenn/database";

import type { AdminUsers } from "./accounts/admin-users.ts";
import type { AccountServices } from "./accounts/open-accounts.ts";
import type { RecordAudit } from "./audit/audit.ts";
import type { Builds } from "./builds/open-builds.ts";
import type { Capsules } from "./capsules/open-capsules.ts";
import type { ChannelsService } from "./channels/channels-service.ts";
import type { OutgoingPolicy } from "./channels/outgoing.ts";
import type { EventBus } from "./events/event-bus.ts";
import type { EventRoutesDeps } from "./events/event-routes.ts";
import type { Fleet } from "./hosts/fleet.ts";
import type { HostsService } from "./hosts/hosts-service.ts";
import type { RateLimiter } from "./http/rate-limiter.ts";
import type { RequestLimits } from "./http/request-limits.ts";
import type { WorkAfterAnswer } from "./http/work-after-answer.ts";
import type { MailOutbox } from "./mail/mail-outbox.ts";
import type { ListeningPortsService } from "./ports/listening-ports.ts";
import type { PortLinks } from "./ports/port-links.ts";
import type { PortAddresses, PortsService } from "./ports/ports.ts";
import type { SignInServices } from "./sign-in/open-sign-in.ts";
import type { TeamServices } from "./teams/open-teams.ts";
import type { TemplatesService } from "./templates/templates.ts";
import type { UsageService } from "./usage/usage.ts";
import { registerAccountsAdmin } from "./accounts/admin-user-routes.ts";
import { registerFollowedLinks } from "./accounts/browser-link-routes.ts";
import { registerLogin } from "./accounts/login-routes.ts";
import { registerAccounts } from "./accounts/register-accounts.ts";
import { registerAuditLog, registerAuditLogAdmin } from "./audit/audit-log-routes.ts";
import { registerBuilds } from "./builds/build-routes.ts";
import { registerImageBuilds } from "./builds/image-routes.ts";
import { registerCapsules, registerCapsulesAdmin } from "./capsules/register-capsules.ts";
import { registerChannels } from "./channels/channel-routes.ts";
import type { Pages } from "./open-pages.ts";
import { registerDashboard } from "./dashboard/dashboard-routes.ts";
import { registerDownloads } from "./downloads/download-routes.ts";
import { registerEvents, registerEventsAdmin } from "./events/event-routes.ts";
import {
  registerFileContent,
  registerFileContentAdmin,
  registerFiles,
  registerFilesAdmin,
} from "./files/register-files.ts";
import { registerHosts } from "./hosts/host-routes.ts";
import { EventStreams } from "./http/event-stream.ts";
import { registerInfo } from "./http/info-routes.ts";
import { registerDescription } from "./http/openapi.ts";
import { addRawBodyRoutes } from "./http/route-groups.ts";
import type { CapsuleLogs } from "./logs/capsule-logs.ts";
import { registerLogs } from "./logs/log-routes.ts";
import { registerMailAdmin } from "./mail/admin-mail-routes.ts";
import { registerNetwork } from "./network/network-routes.ts";
import { registerListeningPorts } from "./ports/listening-port-routes.ts";
import { registerPorts } from "./ports/port-routes.ts";
import { registerPortSignIn } from "./ports/port-sign-in-routes.ts";
import { registerPortLinks } from "./ports/port-link-routes.ts";
import { registerProcesses, registerProcessesAdmin } from "./processes/register-processes.ts";
import type { ProcessesDeps } from "./processes/register-processes.ts";
import { registerConnections } from "./sign-in/connection-routes.ts";
import { registerDeviceDecisions, registerDevices } from "./sign-in/device-routes.ts";
import { registerProgramDecisions, registerProgramPage } from "./sign-in/program-routes.ts";
import { registerSignIn } from "./sign-in/sign-in-routes.ts";
import { registerTeamsAdmin } from "./teams/admin-team-routes.ts";
import { registerQuota } from "./teams/quota-routes.ts";
import { registerTeams } from "./teams/register-teams.ts";
import { registerTemplatesAdmin } from "./templates/admin-template-routes.ts";
import { registerTemplates } from "./templates/template-routes.ts";
import { TemplateVersions } from "./templates/template-versions.ts";
import { registerVersionRoutes } from "./templates/version-routes.ts";
import { publicInfo } from "./public-info.ts";
import { registerUsage } from "./usage/usage-routes.ts";
import type { App } from "./http/app.ts";

/** What the routes of the platform are made of; each is opened by `createControlPlane`. */
export interface PlatformServices
  extends
    Omit<AccountServices, "apiKeyAuth" | "authenticator" | "signedTokens">,
    Pages,
    SignInServices,
    TeamServices {
  readonly adminUsers: AdminUsers;
  readonly afterAnswer: WorkAfterAnswer;
  readonly builds: Omit<Builds, "runner">;
  readonly bus: EventBus;
  readonly capsules: Capsules;
  readonly channels: ChannelsService;
  readonly clock: Clock;
  readonly closing: AbortSignal;
  readonly database: Database;
  readonly edge: PortAddresses;
  readonly eventRoutes: EventRoutesDeps;
  readonly execOutputBytes: number;
  readonly fleet: Fleet;
  readonly hosts: HostsService;
  readonly limiter: RateLimiter;
  readonly limits: RequestLimits;
  readonly links: PortLinks;
  readonly listening: ListeningPortsService;
  readonly logger: Logger;
  readonly logs: CapsuleLogs;
  readonly mailOutbox: MailOutbox;
  readonly outgoing: OutgoingPolicy;
  readonly ports: PortsService;
  readonly processes: ProcessesDeps;
  readonly proxies: TrustedProxies;
  readonly publicUrl: string;
  readonly random: Random;
  readonly record: RecordAudit;
  readonly templates: TemplatesService;
  readonly usage: UsageService;
  readonly version: string;
}

/** Routes for everyone. */
export async function registerPublicRoutes(group: App, app: App, services: PlatformServices): Promise<void> {
  const {
    accounts,
    afterAnswer,
    attemptCookie,
    browserLinks,
    clientPackages,
    clock,
    closing,
    dashboard,
    dashboardPage,
    database,
    devices,
    edge,
    execOutputBytes,
    firstAdmin,
    limiter,
    ports,
    providers,
    proxies,
    publicUrl,
    random,
    refreshCookie,
    sessions,
    signIn,
    signUpCookie,
    signUpPolicy,
    signUps,
    version,
  } = services;
  await registerDescription(group, app);
  const info = publicInfo({
    version,
    database,
    signUpPolicy,
    providers,
    execOutputBytes,
    edge,
    dashboardPage,
  });
  registerInfo(group, { info, clock });
  registerLogin(group, {
    accounts,
    afterAnswer,
    firstAdmin,
    sessions,
    signUps,
    signUpCookie,
    limiter,
    random,
    refreshCookie,
    clock,
  });
  registerFollowedLinks(group, { browserLinks, limiter, refreshCookie });
  const pages = dashboardPage;
  registerSignIn(group, { signIn, providers, attemptCookie, refreshCookie, limiter, closing, pages });
  registerDevices(group, { devices, sessions, limiter, publicUrl, pages });
  registerProgramPage(group, { pages });
  registerPortSignIn(group, { sessions, ports, edge, refreshCookie, pages });
  registerDownloads(group, { packages: clientPackages, proxies, publicUrl });
  registerDashboard(group, { files: dashboard, page: dashboardPage });
}

/** Routes for API keys and logins of a team. */
export async function registerTeamRoutes(group: App, services: PlatformServices): Promise<void> {
  const {
    accounts,
    apiKeys,
    attemptCookie,
    browserLinks,
    builds,
    capsules,
    channels,
    clock,
    closing,
    connections,
    database,
    deletion,
    devices,
    edge,
    eventRoutes,
    fleet,
    hosts,
    invitations,
    limiter,
    limits,
    links,
    listening,
    logger,
    logs,
    outgoing,
    ports,
    processes,
    programs,
    providers,
    random,
    record,
    refreshCookie,
    sessions,
    signIn,
    teams,
    templates,
    usage,
  } = services;
  registerAccounts(group, {
    accounts,
    browserLinks,
    sessions,
    limiter,
    refreshCookie,
    connections,
    deletion,
    database,
    apiKeys,
    clock,
  });
  registerDeviceDecisions(group, { devices, limiter, database });
  registerProgramDecisions(group, { programs, limiter });
  registerConnections(group, { signIn, connections, providers, attemptCookie, limiter, closing });
  registerTeams(group, { teams, deletion, invitations, limiter });
  registerAuditLog(group, { database });
  registerUsage(group, { usage });
  registerQuota(group, { database });
  registerChannels(group, { channels, clock, limiter, outgoing, random, record });
  registerHosts(group, { hosts });
  registerEvents(group, eventRoutes);
  registerNetwork(group, { networks: capsules.networks, record });
  const streams = new EventStreams({ logger, closing }, { perTeam: 100, things: "streams" });
  registerCapsules(group, { ...capsules, limits, random, record, streams });
  registerLogs(group, { logs, streams });
  registerProcesses(group, processes);
  registerTemplates(group, { templates, clock, record });
  registerVersionRoutes(group, { templates, versions: new TemplateVersions(database, fleet), record });
  registerFiles(group, { capsules: capsules.running, clock, random });
  registerPorts(group, { ports, edge });
  registerListeningPorts(group, { listening, edge });
  registerPortLinks(group, { links, edge });
  await registerBuilds(group, { ...builds, record }, "/v1/builds");
  await registerImageBuilds(group, { ...builds, record });
  await addRawBodyRoutes(group, (raw) => registerFileContent(raw, { capsules: capsules.running, clock }));
}

/** Routes for administrators of the platform. */
export async function registerAdminRoutes(admin: App, services: PlatformServices): Promise<void> {
  const {
    adminTeams,
    adminUsers,
    builds,
    capsules,
    clock,
    database,
    deletion,
    eventRoutes,
    limits,
    mailOutbox,
    processes,
    random,
    record,
    templates,
  } = services;
  registerAccountsAdmin(admin, { adminUsers });
  registerTeamsAdmin(admin, { adminTeams, deletion });
  await registerBuilds(admin, { ...builds, record }, "/v1/admin/builds");
  registerTemplatesAdmin(admin, { templates, clock, record });
  registerCapsulesAdmin(admin, { ...capsules, limits, random, record });
  registerProcessesAdmin(admin, processes);
  registerFilesAdmin(admin, { capsules: capsules.running });
  registerAuditLogAdmin(admin, { database });
  registerEventsAdmin(admin, eventRoutes);
  registerMailAdmin(admin, { mailOutbox, record });
  await addRawBodyRoutes(admin, (raw) => registerFileContentAdmin(raw, { capsules: capsules.running }));
}
