import { defined, TrustedProxies } from "@wrenn/core";
import { QueuedTransactions } from "@wrenn/database";
import { actingForPlatform } from "./accounts/administrators.ts";
import { registerAccountsAdmin } from "./accounts/admin-user-routes.ts";
import { AdminUsers } from "./accounts/admin-users.ts";
import { registerLogin } from "./accounts/login-routes.ts";
import { openAccounts } from "./accounts/open-accounts.ts";
import { registerAccounts } from "./accounts/register-accounts.ts";
import { registerAuditLog, registerAuditLogAdmin } from "./audit/audit-log-routes.ts";
import { AuditRetention, defaultAuditLimits } from "./audit/audit-retention.ts";
import { recordRoutes } from "./audit/record-routes.ts";
import { AuditLog } from "./audit/audit.ts";
import type { RecordAudit } from "./audit/audit.ts";
import { openCapsules } from "./capsules/open-capsules.ts";
import { Operations } from "./capsules/operations.ts";
import { registerCapsules, registerCapsulesAdmin } from "./capsules/register-capsules.ts";
import { keepAll, Retention } from "./capsules/retention.ts";
import { COMMAND_PATIENCE_MS } from "./capsules/running-capsules.ts";
import { registerChannels } from "./channels/channel-routes.ts";
import { openChannels } from "./channels/open-channels.ts";
import { publicInternet } from "./channels/outgoing.ts";
import type { ControlPlane, ControlPlaneOptions } from "./control-plane.ts";
import { DatabaseEventBus } from "./events/event-bus.ts";
import { EventFeed } from "./events/event-feed.ts";
import { registerEvents } from "./events/event-routes.ts";
import {
  fileSockets,
  registerFileContent,
  registerFileContentAdmin,
  registerFiles,
  registerFilesAdmin,
} from "./files/register-files.ts";
import { Fleet } from "./hosts/fleet.ts";
import { placedOn } from "./hosts/placed-on.ts";
import { registerHostAgents } from "./hosts/host-agent-routes.ts";
import { HostAddresses } from "./hosts/host-addresses.ts";
import { HostEnrolment } from "./hosts/host-enrolment.ts";
import { defaultTimes, HostMonitor } from "./hosts/host-monitor.ts";
import { registerHosts } from "./hosts/host-routes.ts";
import { HostsService } from "./hosts/hosts-service.ts";
import { ReportLimits } from "./hosts/report-limits.ts";
import { StorageMeter } from "./hosts/storage-meter.ts";
import { defaultCapacity } from "./hosts/placement.ts";
import { GrantCheck } from "./http/access-grants.ts";
import { AccessWatch } from "./http/access-watch.ts";
import { identityOf } from "./http/app.ts";
import { createApp } from "./http/create-app.ts";
import { forgetRevoked } from "./http/forget-revoked.ts";
import { guardAnswer } from "./http/guard-answer.ts";
import type { Identity } from "./http/identity.ts";
import { InFlight } from "./http/in-flight.ts";
import { registerDescription } from "./http/openapi.ts";
import { requireOwnPage } from "./http/own-pages.ts";
import { limitRequests, limitWork } from "./http/limit-work.ts";
import {
  callLimits,
  PendingWork,
  requestLimits,
  sessionLimits,
  withCounts,
  withTeamCount,
} from "./http/pending-work.ts";
import { registerPrometheus } from "./http/prometheus.ts";
import { KnownCredentials } from "./http/known-credentials.ts";
import { RateLimiter } from "./http/rate-limiter.ts";
import { RequestLimits } from "./http/request-limits.ts";
import {
  addAdminRoutes,
  addAuthenticatedRoutes,
  addPublicRoutes,
  addRawBodyRoutes,
} from "./http/route-groups.ts";
import { RevocationFeed } from "./http/revocation-feed.ts";
import { registerServiceRoutes } from "./http/service-routes.ts";
import type { SocketRoute } from "./http/socket-route.ts";
import { WorkAfterAnswer } from "./http/work-after-answer.ts";
import { createWebSockets } from "./http/web-sockets.ts";
import { registerMailAdmin } from "./mail/admin-mail-routes.ts";
import { openMail } from "./mail/open-mail.ts";
import { registerNetwork } from "./network/network-routes.ts";
import { registerPorts } from "./ports/port-routes.ts";
import { registerPortSignIn } from "./ports/port-sign-in-routes.ts";
import { registerPortLinks } from "./ports/port-link-routes.ts";
import { PortLinks } from "./ports/port-links.ts";
import { PortsService } from "./ports/ports.ts";
import { processSockets, registerProcesses, registerProcessesAdmin } from "./processes/register-processes.ts";
import { registerConnections } from "./sign-in/connection-routes.ts";
import { openSignIn } from "./sign-in/open-sign-in.ts";
import { registerSignIn } from "./sign-in/sign-in-routes.ts";
import { registerTeamsAdmin } from "./teams/admin-team-routes.ts";
import { openTeams } from "./teams/open-teams.ts";
import { registerTeams } from "./teams/register-teams.ts";
import { registerTemplatesAdmin } from "./templates/admin-template-routes.ts";
import { registerTemplates } from "./templates/template-routes.ts";
import { TemplatesService } from "./templates/templates.ts";
import { registerUsage } from "./usage/usage-routes.ts";
import { UsageService } from "./usage/usage.ts";

const CLOSE_MS = 5000;

/** Every WebSocket route, below the path of a capsule. */
export const socketRoutes: readonly SocketRoute[] = [...processSockets, ...fileSockets];

/** The public API on top of any number of hosts. */
export async function createControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { database, clock, logger, random, instanceId, version, publicUrl, edge } = options;
  const { capacity = defaultCapacity, times = defaultTimes, outgoing = publicInternet } = options;
  const {
    localHost,
    connectHost,
    certifier,
    createAnswerMs,
    mailTransport,
    hostNetworks = [],
    identityProviders = [],
    proxies = TrustedProxies.none,
  } = options;
  const base = { database, clock, logger, random };
  const transactions = new QueuedTransactions(database.db);
  // Closes what is open, the last first: at the end, or when something that comes later cannot be opened.
  await using opened = new AsyncDisposableStack();
  const shutdown = new AbortController();
  const closing = shutdown.signal;
  const limiter = new RateLimiter(clock);
  const audit = new AuditLog(database, random, logger);
  opened.defer(() => audit.close());
  const { teamsPerOwner, auditDays, auditEntries } = options.accountLimits ?? {};
  const auditLimits = { ...defaultAuditLimits, ...defined({ days: auditDays, entries: auditEntries }) };
  const auditRetention = new AuditRetention({ database, clock, logger }, auditLimits);
  opened.defer(() => auditRetention.close());
  const record: RecordAudit = async (request, entry) => await audit.writeAlone(identityOf(request), entry);

  const { mailOutbox, mailWorker } = await openMail({ ...base, mailTransport });
  if (mailWorker) opened.defer(() => mailWorker.close());
  const mailer = options.mailer ?? mailOutbox;
  const {
    accounts,
    apiKeyAuth,
    apiKeys,
    firstAdmin,
    refreshCookie,
    sessions,
    signedTokens,
    signUpPolicy,
    signUps,
    signUpCookie,
    ...opening
  } = await openAccounts({
    ...base,
    transactions,
    mailer,
    audit,
    publicUrl,
    signUpMode: options.signUpMode,
    keepFirstAdminToken: options.keepFirstAdminToken,
  });
  const afterAnswer = new WorkAfterAnswer(logger);
  opened.defer(() => afterAnswer.settle());
  const authenticator = new KnownCredentials(opening.authenticator, clock);
  const grants = new GrantCheck(database.accessDb, clock);
  const access = new AccessWatch({ live: async (asked) => await grants.live(asked), clock, logger });
  opened.defer(() => access.close());
  const limits = new RequestLimits(
    { clock, known: authenticator, access },
    defined({ rates: options.rates, proxies, onAuthenticated: options.onAuthenticated }),
  );
  opened.defer(() => signedTokens.close());
  opened.defer(() => apiKeyAuth.close());
  const bus = new DatabaseEventBus(database);
  opened.defer(() => bus.close());
  const events = new EventFeed(database, bus, clock);
  const { channels, channelWorker } = await openChannels({ ...base, audit, outgoing });
  opened.defer(() => channelWorker.close());

  const fleet = new Fleet({ clock, logger, placedOn: placedOn(database) });
  const operations = new Operations({ ...base, instanceId });
  const meter = new StorageMeter({ ...base, fleet });
  const templates = new TemplatesService(database, fleet, random);
  const reports = new ReportLimits(clock);
  const capsules = openCapsules(
    { ...base, fleet, meter, reports, operations, transactions, templates, capacity, audit, instanceId },
    { createAnswerMs },
  );
  const addresses = new HostAddresses(hostNetworks);
  const enrolment = new HostEnrolment({ database, clock, random, signedTokens, certifier, addresses });
  const retention = new Retention({ ...base, fleet, meter, audit }, options.retention ?? keepAll);
  const hosts = new HostsService({ ...base, fleet, enrolment, audit });
  const monitor = new HostMonitor(
    {
      database,
      fleet,
      clock,
      logger,
      audit,
      localHost,
      connectHost,
      addresses,
      enrolment,
      reports,
      upkeep: [operations, capsules.unanswered, meter, retention],
    },
    { instanceId, times },
  );
  await capsules.unanswered.takeOver();
  await monitor.start();
  opened.defer(() => retention.close());
  opened.defer(() => monitor.close());
  opened.defer(() => capsules.close());

  const destroyCapsules = async (teamId: string) => await capsules.lifecycle.destroyAll(teamId);
  const adminUsers = new AdminUsers({ database, accounts, sessions, apiKeyAuth, audit, destroyCapsules });
  const { adminTeams, deletion, invitations, teams } = openTeams({
    database,
    transactions,
    clock,
    random,
    mailer,
    sessions,
    apiKeyAuth,
    audit,
    destroyCapsules,
    templates,
    publicUrl,
    teamsPerOwner,
  });
  const { attemptCookie, connections, providers, signIn } = openSignIn({
    ...base,
    accounts,
    policy: signUpPolicy,
    mailer,
    audit,
    identityProviders,
    publicUrl,
  });
  const links = new PortLinks({ database, transactions, clock, random, audit, capsuleRows: capsules.rows });
  const ports = new PortsService({
    database,
    links,
    access,
    capsuleRows: capsules.rows,
    runningCapsules: capsules.running,
    authenticator,
    sessions,
  });
  const revocations = new RevocationFeed(database, (revocation) => {
    forgetRevoked(revocation, { apiKeyAuth, sessions, links, ports });
    access.recheck(revocation);
  });
  opened.defer(() => revocations.close());
  const usage = new UsageService(database, clock, logger);
  opened.defer(() => usage.close());

  const actForPlatform = async (identity: Identity) => await actingForPlatform(database, identity);
  const app = await createApp({ logger, random, proxies, bodyLimits: options.bodyLimits }, version);
  opened.defer(async () => await app.close());
  // In the outermost scope, so that it sees the requests of all.
  registerPrometheus(app, { database, version, limits, proxies, token: options.metricsToken });
  registerServiceRoutes(app, { version, database, hosts: fleet, limits, clock });
  registerHostAgents(app, { enrolment, monitor, limiter, limits });
  await addPublicRoutes(app, { limits, requireOwnPage: requireOwnPage(publicUrl) }, async (group) => {
    await registerDescription(group, app);
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
    registerSignIn(group, { signIn, providers, attemptCookie, refreshCookie, limiter, closing });
    registerPortSignIn(group, { sessions, ports, edge, refreshCookie });
  });
  await addAuthenticatedRoutes(app, { authenticator, access, limits }, async (group) => {
    limitRequests(group, new PendingWork(withTeamCount(requestLimits, options.work?.requestsPerTeam)));
    // Before the limit of work, since an answer for which there is no room is refused when its work is done.
    recordRoutes(group, audit);
    limitWork(group, new PendingWork(withCounts(callLimits, options.work?.calls)));
    registerAccounts(group, {
      accounts,
      sessions,
      limiter,
      refreshCookie,
      connections,
      deletion,
      database,
      apiKeys,
      clock,
    });
    registerConnections(group, { signIn, connections, providers, attemptCookie, limiter, closing });
    registerTeams(group, { teams, deletion, invitations, limiter });
    registerAuditLog(group, { database });
    registerUsage(group, { usage });
    registerChannels(group, { channels, clock, limiter, outgoing, random, record });
    registerHosts(group, { hosts });
    registerEvents(group, { events, logger, closing });
    registerNetwork(group, { networks: capsules.networks, record });
    registerCapsules(group, { ...capsules, fleet, limits, random, record });
    registerProcesses(group, { capsules: capsules.running, clock, logger });
    registerTemplates(group, { templates, clock, record });
    registerFiles(group, { capsules: capsules.running, clock, random });
    registerPorts(group, { ports, edge });
    registerPortLinks(group, { links, edge });
    await addRawBodyRoutes(group, (raw) => registerFileContent(raw, { capsules: capsules.running, clock }));
    await addAdminRoutes(group, { access, actForPlatform }, async (admin) => {
      registerAccountsAdmin(admin, { adminUsers });
      registerTeamsAdmin(admin, { adminTeams, deletion });
      registerTemplatesAdmin(admin, { templates, clock, record });
      registerCapsulesAdmin(admin, { ...capsules, fleet, limits, random, record });
      registerProcessesAdmin(admin, { capsules: capsules.running, clock, logger });
      registerFilesAdmin(admin, { capsules: capsules.running });
      registerAuditLogAdmin(admin, { database });
      registerMailAdmin(admin, { mailOutbox, record });
      await addRawBodyRoutes(admin, (raw) => registerFileContentAdmin(raw, { capsules: capsules.running }));
    });
  });
  await app.ready();
  const sockets = createWebSockets({
    routes: socketRoutes,
    access,
    actForPlatform,
    recordSession: (identity, capsuleId, action) =>
      audit.recordRoutine(identity, { resource: "sandbox", resourceId: capsuleId, action, status: "info" }),
    openCapsule: async ({ teamId }, capsuleId) =>
      await capsules.running.open(teamId, capsuleId, COMMAND_PATIENCE_MS),
    clock,
    limits,
    sessions: new PendingWork(withCounts(sessionLimits, options.work?.sessions)),
    logger,
    random,
    proxies,
  });
  const requests = new InFlight();
  const release = opened.move();
  return {
    handlers: {
      request: (request, response) => {
        requests.add(response);
        guardAnswer(request, response, proxies);
        app.routing(request, response);
      },
      upgrade: sockets.upgrade,
    },
    ports,
    fleet,
    settle: async () => {
      await afterAnswer.settle();
      await audit.settle();
    },
    limits,
    close: async () => {
      sockets.close();
      shutdown.abort(new Error("the server is closing"));
      await requests.drain(CLOSE_MS);
      await release.disposeAsync();
    },
  };
}
