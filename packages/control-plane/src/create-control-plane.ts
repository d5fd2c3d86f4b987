import { defined, TrustedProxies, WrennError } from "@wrenn/core";
import { QueuedTransactions } from "@wrenn/database";
import { actingForPlatform } from "./accounts/administrators.ts";
import { AdminUsers } from "./accounts/admin-users.ts";
import { openAccounts } from "./accounts/open-accounts.ts";
import { AuditRetention, defaultAuditLimits } from "./audit/audit-retention.ts";
import { recordRoutes } from "./audit/record-routes.ts";
import { AuditLog } from "./audit/audit.ts";
import type { RecordAudit } from "./audit/audit.ts";
import { ADMIN_CAPSULES, CAPSULES } from "./capsules/capsule-api.ts";
import { buildSockets } from "./builds/build-sockets.ts";
import { openBuilds } from "./builds/open-builds.ts";
import { CapsuleStates } from "./capsules/capsule-states.ts";
import { hostsForBuilds } from "./hosts-for-builds.ts";
import { openCapsules } from "./capsules/open-capsules.ts";
import { Operations } from "./capsules/operations.ts";
import { keepAll, Retention } from "./capsules/retention.ts";
import { COMMAND_PATIENCE_MS } from "./capsules/running-capsules.ts";
import { openChannels } from "./channels/open-channels.ts";
import { publicInternet } from "./channels/outgoing.ts";
import type { ControlPlane, ControlPlaneOptions } from "./control-plane.ts";
import { openPages } from "./open-pages.ts";
import { DatabaseEventBus } from "./events/event-bus.ts";
import { EventFeed } from "./events/event-feed.ts";
import { eventsOfCapsules } from "./events-of-capsules.ts";
import { Fleet } from "./hosts/fleet.ts";
import { placedOn } from "./hosts/placed-on.ts";
import { registerHostAgents } from "./hosts/host-agent-routes.ts";
import { HostAddresses } from "./hosts/host-addresses.ts";
import { HostEnrolment } from "./hosts/host-enrolment.ts";
import { defaultTimes, HostMonitor } from "./hosts/host-monitor.ts";
import { HostsService } from "./hosts/hosts-service.ts";
import { ReportLimits } from "./hosts/report-limits.ts";
import { StorageMeter } from "./hosts/storage-meter.ts";
import { defaultCapacity } from "./hosts/placement.ts";
import { GrantCheck } from "./http/access-grants.ts";
import { AccessWatch } from "./http/access-watch.ts";
import { identityOf } from "./http/app.ts";
import { isCapsuleName, resolveNames } from "./http/capsule-names.ts";
import type { ResolveCapsule } from "./http/capsule-names.ts";
import { createApp } from "./http/create-app.ts";
import { CrossOrigins } from "./http/cross-origins.ts";
import { forgetRevoked } from "./http/forget-revoked.ts";
import { guardAnswer } from "./http/guard-answer.ts";
import type { Identity } from "./http/identity.ts";
import { InFlight } from "./http/in-flight.ts";
import { requireOwnPage } from "./http/own-pages.ts";
import { registerAdminRoutes, registerPublicRoutes, registerTeamRoutes } from "./platform-routes.ts";
import { limitRequests, limitWork } from "./http/limit-work.ts";
import {
  callLimits,
  PendingWork,
  requestLimits,
  sessionLimits,
  withCounts,
  withTeamCount,
} from "./http/pending-work.ts";
import { PhaseMetrics } from "./http/phase-metrics.ts";
import { openOtherApi } from "./http/other-api.ts";
import { registerPrometheus } from "./http/prometheus.ts";
import { KnownCredentials } from "./http/known-credentials.ts";
import { RateLimiter } from "./http/rate-limiter.ts";
import { RequestLimits } from "./http/request-limits.ts";
import { addAdminRoutes, addAuthenticatedRoutes, addPublicRoutes } from "./http/route-groups.ts";
import { RevocationFeed } from "./http/revocation-feed.ts";
import { writeServerTiming } from "./http/server-timing.ts";
import { registerServiceRoutes } from "./http/service-routes.ts";
import type { SocketRoute } from "./http/socket-route.ts";
import { WorkAfterAnswer } from "./http/work-after-answer.ts";
import { createWebSockets } from "./http/web-sockets.ts";
import { CapsuleLogs } from "./logs/capsule-logs.ts";
import { openMail } from "./mail/open-mail.ts";
import { ListeningPortsService } from "./ports/listening-ports.ts";
import { PortLinks } from "./ports/port-links.ts";
import { PortsService } from "./ports/ports.ts";
import { OUTPUT_LIMIT } from "./processes/run-foreground.ts";
import { sessionSockets } from "./session-sockets.ts";
import { openSignIn } from "./sign-in/open-sign-in.ts";
import { noPorts } from "./ports/port-tunnel.ts";
import { openTeams } from "./teams/open-teams.ts";
import { TemplateCopies } from "./templates/template-copies.ts";
import { TemplatesService } from "./templates/templates.ts";
import { UsageService } from "./usage/usage.ts";

const CLOSE_MS = 5000;

/** Every WebSocket route, below the path of a capsule. */
export const socketRoutes: readonly SocketRoute[] = sessionSockets(noPorts);

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
    execOutputBytes = OUTPUT_LIMIT,
    bodyLimits,
    schemas,
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
  const { accounts, apiKeyAuth, apiKeys, sessions, signedTokens, signUpPolicy, ...opening } =
    await openAccounts({
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
  const events = new EventFeed({ database, bus, clock, logger });
  const { channels, channelWorker } = await openChannels({ ...base, audit, outgoing });
  opened.defer(() => channelWorker.close());

  const fleet = new Fleet({ clock, logger, placedOn: placedOn(database) });
  const phaseMetrics = new PhaseMetrics();
  const operations = new Operations({
    ...base,
    instanceId,
    onTimes: (kind, times) => phaseMetrics.observe(kind, times),
  });
  const meter = new StorageMeter({ ...base, fleet });
  const templates = new TemplatesService(database, fleet, random);
  const copies = new TemplateCopies({ ...base, fleet });
  const reports = new ReportLimits(clock);
  const shared = { ...base, transactions, templates, instanceId };
  const { firstUse } = options;
  const capsules = openCapsules(
    { ...shared, copies, fleet, meter, reports, operations, capacity, audit, firstUse },
    { createAnswerMs },
  );
  const eventRoutes = eventsOfCapsules({
    database,
    events,
    rows: capsules.rows,
    fleet,
    clock,
    logger,
    closing,
  });
  const listening = new ListeningPortsService({ database, clock, logger, fleet, capsuleRows: capsules.rows });
  opened.defer(() => listening.close());
  const { runner, ...builds } = await openBuilds(
    { ...shared, ...hostsForBuilds({ ...capsules, fleet, clock, logger, random }) },
    options.templateBuilder,
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
      upkeep: [operations, capsules.unanswered, copies, meter, retention, runner],
    },
    { instanceId, times },
  );
  await capsules.unanswered.takeOver();
  await runner.takeOver();
  opened.defer(() => retention.close());
  opened.defer(() => monitor.close());
  opened.defer(() => capsules.close());
  opened.defer(() => runner.close());

  const destroyCapsules = async (teamId: string): Promise<void> => {
    await builds.builds.cancelAll(teamId);
    await capsules.lifecycle.destroyAll(teamId);
  };
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
  const signInServices = openSignIn({
    ...base,
    accounts,
    apiKeys,
    sessions,
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
  const logs = new CapsuleLogs({ database, rows: capsules.rows, fleet, clock, bus });
  const usage = new UsageService(database, clock, logger);
  opened.defer(() => usage.close());

  const sessionsOfCapsules = {
    sessions: new PendingWork(withCounts(sessionLimits, options.work?.sessions)),
    states: new CapsuleStates({ rows: capsules.rows, bus, clock, logger }),
  };
  const services = {
    accounts,
    adminTeams,
    adminUsers,
    afterAnswer,
    apiKeys,
    builds,
    bus,
    capsules,
    channels,
    ...opening,
    ...openPages(options),
    ...signInServices,
    clock,
    closing,
    database,
    deletion,
    edge,
    eventRoutes,
    execOutputBytes,
    fleet,
    hosts,
    invitations,
    limiter,
    limits,
    links,
    listening,
    logger,
    logs,
    mailOutbox,
    outgoing,
    ports,
    processes: { ...sessionsOfCapsules, capsules: capsules.running, closing, execOutputBytes, clock, logger },
    proxies,
    publicUrl,
    random,
    record,
    sessions,
    signUpPolicy,
    teams,
    templates,
    usage,
    version,
  };
  const actForPlatform = async (identity: Identity) => await actingForPlatform(database, identity);
  const origins = new CrossOrigins({ allowed: options.corsOrigins ?? [], publicUrl });
  const sessionRoutes = [...sessionSockets(edge), ...buildSockets(builds.builds)];
  const app = await createApp(
    { logger, random, proxies, bodyLimits, sockets: sessionRoutes, schemas },
    version,
  );
  opened.defer(async () => await app.close());
  // In the outermost scope, so that it sees the requests of all.
  const addCounter = registerPrometheus(app, {
    ...options,
    fleet,
    limits,
    metrics: [phaseMetrics.histogram, copies.metrics.copies, copies.metrics.bytes],
    proxies,
    token: options.metricsToken,
  });
  registerServiceRoutes(app, { version, database, hosts: fleet, limits, clock });
  registerHostAgents(app, { enrolment, monitor, limiter, limits });
  await addPublicRoutes(app, { limits, requireOwnPage: requireOwnPage(origins) }, async (group) => {
    await registerPublicRoutes(group, app, services);
  });
  const requests = new InFlight();
  const pending = new PendingWork(withTeamCount(requestLimits, options.work?.requestsPerTeam));
  const resolveCapsule: ResolveCapsule = async (teamId, named) => {
    using _place = isCapsuleName(named) ? pending.begin(teamId) : undefined;
    return await capsules.rows.resolve(teamId, named);
  };
  const guards = { authenticator, access, limits };
  await addAuthenticatedRoutes(app, guards, async (group) => {
    writeServerTiming(group, { clock, phaseMetrics });
    limitRequests(group, pending);
    resolveNames(group, CAPSULES, resolveCapsule);
    // Before the limit of work, since an answer for which there is no room is refused when its work is done.
    recordRoutes(group, audit);
    limitWork(group, new PendingWork(withCounts(callLimits, options.work?.calls)));
    await registerTeamRoutes(group, services);
    await addAdminRoutes(group, { access, actForPlatform }, async (admin) => {
      resolveNames(admin, ADMIN_CAPSULES, resolveCapsule);
      await registerAdminRoutes(admin, services);
    });
  });
  await app.ready();
  await monitor.start();
  const sockets = createWebSockets({
    routes: sessionRoutes,
    access,
    actForPlatform,
    recordSession: (identity, capsuleId, action) =>
      audit.recordRoutine(identity, { resource: "sandbox", resourceId: capsuleId, action, status: "info" }),
    resolveCapsule,
    openCapsule: async ({ teamId }, capsuleId) =>
      await capsules.running.open(teamId, capsuleId, COMMAND_PATIENCE_MS),
    clock,
    limits,
    logger,
    random,
    proxies,
    origins,
    ...sessionsOfCapsules,
  });
  const others = { app: { logger, random, proxies, bodyLimits }, pending, requests, ...guards };
  const release = opened.move();
  return {
    handlers: {
      request: (request, response) => {
        requests.add(response);
        guardAnswer(request, response, proxies);
        if (!origins.answer(request, response)) app.routing(request, response);
      },
      upgrade: sockets.upgrade,
    },
    ports,
    services: { ...services, ...builds, addCounter, openApi: async (api) => await openOtherApi(others, api) },
    fleet,
    settle: async () => {
      await afterAnswer.settle();
      await audit.settle();
    },
    limits,
    close: async () => {
      sockets.close();
      shutdown.abort(new WrennError("server_closing", {}));
      await requests.drain(CLOSE_MS);
      await release.disposeAsync();
    },
  };
}
