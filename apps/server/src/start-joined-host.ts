import { chmod, mkdir, readFile } from "node:fs/promises";
import { defined, problemOf, systemClock, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { TrackedDials } from "@wrenn/edge";
import type { CapsulesAtEnd, RunningHostAgent } from "@wrenn/host-agent";
import {
  ControlPlaneClient,
  enrol,
  makeHostRequest,
  readHostState,
  requireSecureUrl,
  serveHostAgent,
  stayEnrolled,
  writeHostState,
} from "@wrenn/host-link";
import type { HostState } from "@wrenn/host-link";
import type { HostAgent } from "@wrenn/protocol";
import { findServer, removeServerRecord, writeServerRecord } from "@wrenn/system";
import { dataPaths } from "./config/server-config.ts";
import type { ServerConfig } from "./config/server-config.ts";
import { joinAs } from "./join-as.ts";
import { packageFile } from "./native-parts.ts";
import { startHostAgent } from "./start-host-agent.ts";
import type { StartHostAgentDeps } from "./start-host-agent.ts";

/** How a machine joins. URL and token are needed the first time only, and a token again after the credentials were revoked. */
export interface JoinRequest {
  /** Where a control plane's public API is; takes the place of an earlier one. */
  readonly url?: string | undefined;
  /** Registration token of the host, which was announced or whose credentials were revoked. */
  readonly token?: string | undefined;
  /** HOST:PORT at which control planes reach this machine. Default: the address that it listens on. */
  readonly advertise?: string | undefined;
  /** Test seam: a control plane may be reached over plain HTTP across a network. */
  readonly plainHttp?: boolean;
}

export interface JoinedHostStart {
  readonly config: ServerConfig;
  readonly join: JoinRequest;
  readonly logger: Logger;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
  /** Aborts the start. */
  readonly signal: AbortSignal;
  /** Refreshes the built-in template of this machine; without it, it is not refreshed by schedule. */
  readonly refreshTemplate?: StartHostAgentDeps["refreshTemplate"];
  /** Test seam: between two heartbeats, ms. */
  readonly beatMs?: number;
}

export interface JoinedHost {
  readonly hostId: string;
  /** Where control planes reach it. */
  readonly address: string;
  /** Resolves when the host was deleted; its capsules are to be destroyed then. */
  readonly deleted: Promise<void>;
  close(capsules: CapsulesAtEnd): Promise<void>;
}

/**
 * Starts the host agent of this machine, for control planes on other machines. The first start registers the host with a
 * token; later starts use the credentials that were issued then. With another token of the same host it registers again.
 *
 * @throws WrennError `join_incomplete` without URL or token on the first start, `host_joined_as_other`, `control_plane_insecure`, and
 * whatever {@link enrol} throws.
 */
export async function startJoinedHost(start: JoinedHostStart): Promise<JoinedHost> {
  const { config, logger, signal } = start;
  const paths = dataPaths(config.dataDirectory);
  await mkdir(config.dataDirectory, { recursive: true });
  // The machines run as users of their own and pass through here.
  await chmod(config.dataDirectory, 0o711);
  const other = await findServer(paths.serverRecord);
  if (other) throw new WrennError("server_already_runs", { url: other.url, directory: config.dataDirectory });
  const known = await readHostState(paths.joinedHost);
  const url = start.join.url ?? known?.url;
  if (url === undefined || (!known && start.join.token === undefined))
    throw new WrennError("join_incomplete", {});
  if (start.join.plainHttp !== true) refuseInsecure(url, start.join.url !== undefined, logger);

  await using release = new AsyncDisposableStack();
  const { version } = JSON.parse(await readFile(packageFile, "utf8")) as { version: string };
  const dials = new TrackedDials();
  const { agent, settle } = await startHostAgent(
    {
      logger,
      connections: dials,
      progress: start.progress,
      ...defined({ refreshTemplate: start.refreshTemplate }),
    },
    { config, version },
    signal,
  );
  let atEnd: CapsulesAtEnd = "leave";
  release.defer(() => agent.close(atEnd));
  const address = start.join.advertise ?? `${config.host}:${config.port}`;
  const state = await joinAs(
    { known, url, token: start.join.token },
    logger,
    (token) => register(agent, { url, token, known }, address, signal),
    signal,
  );
  await writeHostState(paths.joinedHost, state);
  const served: HostAgent = { ...agent, dial: dials.through(agent) };
  const link = await serveHostAgent({
    agent: served,
    host: config.host,
    port: config.port,
    credentials: credentialsOf(state),
    logger,
  });
  release.defer(() => link.close());
  settle();
  await writeServerRecord(paths.serverRecord, `https://${address}`);
  release.defer(() => removeServerRecord(paths.serverRecord));
  const closing = new AbortController();
  const enrolled = stayEnrolled(
    state,
    {
      client: new ControlPlaneClient(state.url),
      clock: systemClock,
      logger,
      newRequest: makeHostRequest,
      ...defined({ beatMs: start.beatMs }),
      renewed: async (next) => {
        await writeHostState(paths.joinedHost, next);
        link.renew(credentialsOf(next));
      },
    },
    closing.signal,
  );
  const deleted = Promise.withResolvers<void>();
  const beating = enrolled.then(
    () => deleted.resolve(),
    () => undefined,
  );
  const owned = release.move();
  return {
    hostId: state.hostId,
    address,
    deleted: deleted.promise,
    close: async (capsules) => {
      atEnd = capsules;
      closing.abort(new Error("the host is closing"));
      await beating;
      await owned.disposeAsync();
    },
  };
}

/** A machine that joined over plain HTTP before that was refused stays joined, and its operator is warned. */
function refuseInsecure(url: string, isGiven: boolean, logger: Logger): void {
  try {
    requireSecureUrl(url);
  } catch (error) {
    if (isGiven) throw error;
    logger.error("host.insecure_url", { url, problem: problemOf(error) });
  }
}

async function register(
  agent: RunningHostAgent,
  {
    url,
    token,
    known,
  }: { readonly url: string; readonly token: string; readonly known: HostState | undefined },
  address: string,
  signal: AbortSignal,
): Promise<HostState> {
  const facts = await agent.facts(signal);
  return await enrol(
    url,
    {
      token,
      address,
      hostId: known?.hostId,
      arch: facts.architecture,
      cpuCores: facts.cpuCores,
      memoryMib: facts.memoryMib,
      diskGb: facts.diskGb,
    },
    { client: new ControlPlaneClient(url), newRequest: makeHostRequest, clock: systemClock },
    signal,
  );
}

function credentialsOf({ keyPem, certPem, caPem }: HostState) {
  return { key: keyPem, cert: certPem, ca: caPem };
}
