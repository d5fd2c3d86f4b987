import { chmod, mkdir, readFile } from "node:fs/promises";
import {
  createControlPlane,
  defaultCapacity,
  ensureE2bKey,
  ensureFirstTeam,
  ensurePlatformKey,
  smtpTransport,
} from "@wrenn/control-plane";
import type { ControlPlane, MonitorTimes } from "@wrenn/control-plane";
import { defined, problemOf, systemClock, systemRandom, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { openDatabase, secretQueries } from "@wrenn/database";
import { openE2b } from "@wrenn/e2b";
import { ClientConnections, PortEdge } from "@wrenn/edge";
import type { CapsuleRoutes, CredentialAttempts, CredentialChecks } from "@wrenn/edge";
import type { CapsulesAtEnd, PortConnections, RunningHostAgent, StepObserver } from "@wrenn/host-agent";
import {
  findServer,
  readFileIfPresent,
  readLocalClient,
  removeServerRecord,
  writeFileAtomic,
  writeLocalClient,
  writeServerRecord,
} from "@wrenn/system";
import { pathPortsHost } from "./config/path-ports.ts";
import { FirstUseBuilder } from "./built-in/first-use-builder.ts";
import type { BuildBuiltIn } from "./built-in/first-use-builder.ts";
import { dataPaths, publicUrlOf } from "./config/server-config.ts";
import type { ServerConfig } from "./config/server-config.ts";
import { registryFetch, registryReach } from "./images/registry-fetch.ts";
import { openHostLinks } from "./host-links.ts";
import { FirstAdminToken } from "./config/first-admin-token.ts";
import { metricsToken } from "./config/metrics-token.ts";
import { identityProviders } from "./config/identity-providers.ts";
import { listenerLimits } from "./config/listener-limits.ts";
import { installationIds } from "./config/installation-ids.ts";
import { openListeners } from "./listeners.ts";
import type { Listeners } from "./listeners.ts";
import { builtDashboard, clientPackages, packageFile } from "./native-parts.ts";
import { startHostAgent } from "./start-host-agent.ts";
import type { StartHostAgentDeps } from "./start-host-agent.ts";

const LINK_KEY_BYTES = 32;
/** What the database still writes when the disk is full: some WAL segments, and rows until something is deleted. */
const BALLAST_BYTES = 256 * 2 ** 20;

export interface ServerStart {
  readonly config: ServerConfig;
  readonly logger: Logger;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
  /** Aborts the start. */
  readonly signal: AbortSignal;
  /** Keeps a key for clients of E2B in a file of the data directory. */
  readonly keepsE2bKey?: boolean;
  /** False serves no dashboard, whether or not it was built. */
  readonly servesDashboard?: boolean;
  /** Refreshes the built-in template of this machine; without it, it is not refreshed by schedule. */
  readonly refreshTemplate?: StartHostAgentDeps["refreshTemplate"];
  /** Builds a built-in template of this machine; without it, none is built on its first use. */
  readonly buildBuiltIn?: BuildBuiltIn;
  /** Test seam: called before each journalled step. */
  readonly onStep?: StepObserver;
  /** Test seam: where images come from instead of registries. */
  readonly imagePuller?: StartHostAgentDeps["imagePuller"];
  /** Test seam: false serves ports in the server alone. */
  readonly portProcess?: boolean;
  /** Test seam: how quickly silence of hosts and control planes is noticed. */
  readonly times?: MonitorTimes;
}

/** A control plane, and the host agent of this machine unless it runs none. */
export interface StartedControlPlane {
  readonly url: string;
  readonly secure?: Listeners["secure"];
  /** Address below which ports are served by path; undefined where they are not. */
  readonly pathPortsUrl: string | undefined;
  /** Key of the first team, for the command line of this machine; another server of the database may have been first. */
  readonly apiKey: string | undefined;
  /** Creates the first administrator; undefined while there was one at the start. */
  readonly firstAdminToken: string | undefined;
  /** Files with key and token that only the operator can read. */
  readonly secretFiles: { readonly apiKey: string; readonly firstAdminToken: string };
  /** Stops everything; what becomes of the capsules of this machine is the caller's choice. */
  close(capsules: CapsulesAtEnd): Promise<void>;
}

/** Control plane, database and host agent of one machine, in this process. */
export interface StartedServer extends StartedControlPlane {
  readonly apiKey: string;
  readonly hostAgent: RunningHostAgent;
}

/** Starts a machine that does everything itself. */
export async function startServer(start: ServerStart): Promise<StartedServer> {
  const { hostAgent, apiKey, ...started } = await assemble(start, true);
  if (!hostAgent || apiKey === undefined) {
    await started.close("leave");
    throw new WrennError("dependency_missing", {
      what: `${dataPaths(start.config.dataDirectory).localClient}, which holds the first API key`,
    });
  }
  return { ...started, hostAgent, apiKey };
}

/** Starts a control plane whose capsules run on hosts that join. */
export async function startControlPlane(start: ServerStart): Promise<StartedControlPlane> {
  return await assemble(start, false);
}

async function prepareDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    // The database and the machines run as users of their own and pass through here.
    await chmod(path, 0o711);
  } catch (error) {
    const problem = `cannot be used: ${problemOf(error)}`;
    throw new WrennError("invalid_field", { field: "WRENN_DATA_DIR", problem }, { cause: error });
  }
}

/** Starts the parts, those at once that do not need each other; undone in reverse when one fails. */
async function assemble(
  start: ServerStart,
  withHost: boolean,
): Promise<StartedControlPlane & { readonly hostAgent: RunningHostAgent | undefined }> {
  const { config, logger, signal } = start;
  const pathHost = pathPortsHost(config);
  const paths = dataPaths(config.dataDirectory);
  await prepareDirectory(config.dataDirectory);
  const other = await findServer(paths.serverRecord);
  if (other) throw new WrennError("server_already_runs", { url: other.url, directory: config.dataDirectory });

  await using release = new AsyncDisposableStack();
  const { version } = JSON.parse(await readFile(packageFile, "utf8")) as { version: string };
  // Database and host agent mostly wait for other programs, and need nothing of each other. Where one fails, the other's start is aborted.
  const ending = new AbortController();
  const starting = AbortSignal.any([signal, ending.signal]);
  const openingDatabase = openDatabase(
    {
      directory: paths.database,
      cacheDirectory: config.cacheDirectory,
      ...defined({ databaseUrl: config.databaseUrl }),
      ballastBytes: BALLAST_BYTES,
      logger,
    },
    starting,
  );
  const later: { edge?: PortEdge } = {};
  const startingHost = withHost
    ? startHostAgent(
        {
          logger,
          connections: connectionsOf(() => later.edge),
          progress: start.progress,
          ...defined({
            onStep: start.onStep,
            imagePuller: start.imagePuller,
            refreshTemplate: start.refreshTemplate,
          }),
        },
        { config, version },
        starting,
      )
    : undefined;
  let atEnd: CapsulesAtEnd = "leave";
  release.defer(async () => await (await openingDatabase.catch(() => undefined))?.close());
  release.defer(async () => await (await startingHost?.catch(() => undefined))?.agent.close(atEnd));
  release.defer(() => ending.abort(new Error("the server is ending")));
  const database = await firstOf(openingDatabase, startingHost);
  const first = await ensureFirstTeam(database, systemRandom);
  // The database shows the first key once; it is kept for the command line of this machine.
  if (first.apiKey !== undefined) await writeLocalClient(paths.localClient, { apiKey: first.apiKey });
  const apiKey = (await readLocalClient(paths.localClient))?.apiKey;
  const keyDeps = { clock: systemClock, random: systemRandom };
  await keepKey(paths.platformKey, async (kept) => await ensurePlatformKey(database, keyDeps, kept));
  if (start.keepsE2bKey === true && apiKey !== undefined)
    await keepKey(paths.e2bKey, async (kept) => await ensureE2bKey(database, keyDeps, kept, apiKey));

  const { proxies } = config;
  const connections = new ClientConnections(
    await listenerLimits(config.connections ?? {}, logger),
    systemClock,
    proxies,
  );
  const linkKey = await secretQueries.ensureSecret(database.db, "port-links", () =>
    systemRandom.bytes(LINK_KEY_BYTES),
  );
  const shared = {
    clock: systemClock,
    logger,
    attempts: {
      require: (address, headers) => controlPlane.limits.requirePortAttempt(address, headers),
      failed: (address) => controlPlane.limits.portFailed(address),
    } satisfies CredentialAttempts,
    onActivity: (id: string) => hostAgent?.hold(id)(),
  };
  const ports = new PortEdge({
    ...shared,
    domain: config.domain,
    publicUrl: config.publicUrl,
    pathHost,
    linkKey,
    random: systemRandom,
    onAuthenticated: ({ socket }, owner, grant) => connections.authenticated(socket, owner, grant),
  });
  later.edge = ports;
  const ids = await installationIds(paths.installation);
  const firstAdminToken = new FirstAdminToken(paths.firstAdminToken, logger);
  const links = await openHostLinks(database, logger);
  release.defer(() => links.close());
  const firstUse =
    start.buildBuiltIn && config.buildsOnFirstUse !== false
      ? release.use(new FirstUseBuilder({ clock: systemClock, logger, build: start.buildBuiltIn }))
      : undefined;
  const agent = startingHost?.then((host) => host.agent);
  // Its failure is that of the control plane, unless that failed before.
  agent?.catch(() => {});
  const controlPlane = await createControlPlane({
    database,
    certifier: links.certifier,
    connectHost: links.connectHost,
    hostNetworks: config.hostNetworks,
    firstUse,
    capacity: {
      ...defaultCapacity,
      ...(config.overcommit
        ? { memoryOvercommit: config.overcommit.memory, diskOvercommit: config.overcommit.disk }
        : {}),
    },
    ...defined({ times: start.times, rates: config.rates, work: config.work, proxies }),
    onAuthenticated: (socket, teamId, access) => connections.authenticated(socket, teamId, access),
    retention: config.retention,
    createAnswerMs: config.createAnswerMs,
    signUpMode: config.signUpMode,
    accountLimits: config.accountLimits,
    execOutputBytes: config.execOutputBytes,
    clientPackages,
    dashboard: start.servesDashboard === false ? undefined : builtDashboard,
    corsOrigins: config.corsOrigins,
    identityProviders: identityProviders(config.signIn ?? {}, systemClock),
    mailTransport: config.mailServer && smtpTransport(config.mailServer),
    instanceId: ids.controlPlane,
    localHost: agent && { id: ids.host, agent },
    edge: ports,
    waitingMachines: agent && (async () => await (await agent).waitingMachines()),
    parkedMachines: agent && (async () => await (await agent).parkedMachines()),
    metricsToken: await metricsToken(paths.metricsToken, systemRandom),
    keepFirstAdminToken: async (token) => await firstAdminToken.keep(token),
    clock: systemClock,
    logger,
    random: systemRandom,
    version,
    publicUrl: publicUrlOf(config),
  });
  let isListening = false;
  // From then on the listeners end after it.
  release.defer(async () => {
    if (!isListening) await controlPlane.close();
  });
  const e2b = await openE2b({
    services: controlPlane.services,
    edge: ports.edge,
    origin: () => ports.portOrigin(),
    publicUrl: publicUrlOf(config),
    registryFetch: registryFetch(registryReach(config.registries)),
    clock: systemClock,
    logger,
    random: systemRandom,
  });
  release.defer(() => e2b.close());
  const host = await startingHost;
  const hostAgent = host?.agent;
  const platform = platformOf(controlPlane, ids.host);
  ports.join(platform);
  release.defer(controlPlane.ports.observe((id) => ports.invalidate(id)));
  release.defer(controlPlane.fleet.observe(({ id }) => ports.invalidate(id)));
  const listeners = await openListeners(
    config,
    // A control plane without capsules of its own reaches ports through its links to hosts, which are in this process.
    {
      ports,
      portProcess: withHost && start.portProcess !== false ? { ...shared, platform, linkKey } : undefined,
      handlers: e2b.around(controlPlane.handlers),
      connections,
      logger,
    },
    paths.tls,
  );
  release.defer(async () => {
    ports.edge.close();
    await listeners[Symbol.asyncDispose]();
  });
  release.defer(() => controlPlane.close());
  isListening = true;
  host?.settle();
  const { url, secure } = listeners;
  const domain = e2b.clientDomain();
  // A proxy has a certificate of its own.
  const authorityFile = config.proxies ? undefined : secure?.authorityFile;
  const secureDomain = domain === undefined ? undefined : { domain, ...defined({ authorityFile }) };
  await writeServerRecord(paths.serverRecord, url, secureDomain);
  release.defer(() => removeServerRecord(paths.serverRecord));
  const pathPortsUrl = ports.pathUrl();
  const owned = release.move();
  return {
    url,
    ...defined({ secure }),
    pathPortsUrl,
    apiKey,
    firstAdminToken: firstAdminToken.current,
    secretFiles: { apiKey: paths.localClient, firstAdminToken: paths.firstAdminToken },
    hostAgent,
    close: async (capsules) => {
      atEnd = capsules;
      await owned.disposeAsync();
    },
  };
}

/** A key that programs of this machine use, in a file that only the operator can read. */
async function keepKey(path: string, ensure: (kept: string | undefined) => Promise<string>): Promise<void> {
  const kept = (await readFileIfPresent(path))?.trim();
  const key = await ensure(kept);
  if (key !== kept) await writeFileAtomic(path, `${key}\n`);
}

/** The outcome of `wanted`, unless `other` fails before. */
async function firstOf<T>(wanted: Promise<T>, other: Promise<unknown> | undefined): Promise<T> {
  const failure = new Promise<never>((_resolve, reject) => void other?.catch(reject));
  return await Promise.race([wanted, failure]);
}

/** The host agent starts before the edge: until that is there, ports have no connections. */
function connectionsOf(edge: () => PortEdge | undefined): PortConnections {
  return {
    inUse: (id) => edge()?.inUse(id) ?? false,
    drain: async (id, signal) => await edge()?.drain(id, signal),
    end: (id) => edge()?.end(id),
    reset: (id) => edge()?.reset(id),
  };
}

/** The control plane as the edge asks it; capsules of other machines are reached through their hosts. */
function platformOf({ ports, fleet }: ControlPlane, localHost: string): CapsuleRoutes & CredentialChecks {
  return {
    find: async (id) => {
      const route = await ports.find(id);
      if (!route || route.hostId === localHost) return route;
      const { hostId } = route;
      return {
        ...route,
        connect: async (port, options) => await fleet.agent(hostId).dial(id, port, options),
      };
    },
    resume: (id) => ports.resume(id),
    apiKey: (key, id) => ports.admits(id, { "x-api-key": key }),
    bearer: (token, id) => ports.admits(id, { authorization: `Bearer ${token}` }),
    session: (login, id) => ports.admitsSession(id, login),
    link: (link, { capsuleId, port }) => ports.admitsLink(capsuleId, port, link),
    publicPort: ({ capsuleId, port }) => ports.admitsPublic(capsuleId, port),
  };
}
