import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { randomHex, systemClock, WrennError } from "@wrenn/core";
import type { Logger, Random } from "@wrenn/core";
import { tryLock } from "@wrenn/system";
import { claimBlock, releaseBlock, renewClaim } from "./address-block.ts";
import { createDestinations } from "./destinations.ts";
import type { Destinations } from "./destinations.ts";
import { guardConnections, readConnectionTable } from "./connection-guard.ts";
import type { ConnectionTable } from "./connection-guard.ts";
import { DEFAULT_CONNECTION_LIMITS, dialsPerSecond, questionsPerSecond } from "./connection-limits.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { Gateway } from "./gateway/gateway.ts";
import { enableForwarding, restoreForwarding, separatedInterfaces } from "./host-forwarding.ts";
import { readHostRoutes } from "./host-routes.ts";
import type { HostRoutes } from "./host-routes.ts";
import { compileHostRules } from "./host-rules.ts";
import { ownedInstances, removeOwner, writeOwner } from "./instance-owner.ts";
import { hostGateway, hostTable } from "./naming.ts";
import type { Instance } from "./naming.ts";
import { instancesInKernel } from "./orphan-instances.ts";
import type { Runner } from "./runner.ts";
import { readJournal, removeJournal, writeJournal } from "./slot-journal.ts";
import { SlotPolicies } from "./slot-policies.ts";
import { TeamConnections } from "./team-connections.ts";
import { hostSearchDomains, hostUpstreams, parseUpstream } from "./upstreams.ts";

export interface HostNetworkOptions {
  readonly stateDirectory: string;
  readonly logger: Logger;
  readonly random: Random;
  readonly uidBase: number;
  readonly resolvers?: readonly string[];
  readonly reachableNetworks?: readonly string[];
  readonly connectionLimits?: Partial<ConnectionLimits>;
  /** Reads how full the host's table of connections is; from /proc without. */
  readonly connectionTable?: () => Promise<ConnectionTable>;
  readonly runner: Runner;
  /** Public id of the capsule that has a slot. */
  readonly capsuleOf: (slot: number) => string | undefined;
}

/** What all slots of an installation share: its name and addresses, the host's rules, forwarding, and the gateway. */
export interface HostNetwork {
  readonly instance: Instance;
  readonly policies: SlotPolicies;
  readonly teams: TeamConnections;
  readonly destinations: Destinations;
  /** Stops the gateway; `remove` also takes back everything from the host, once no slot is left. */
  close(what: "leave" | "remove"): Promise<void>;
}

/** Opens the host's side, under the identity of an earlier run if there was one. On failure the lock is given back. */
export async function openHost(options: HostNetworkOptions, signal: AbortSignal): Promise<HostNetwork> {
  const { runner, logger, stateDirectory } = options;
  const destinations = createDestinations(options.reachableNetworks ?? []);
  await using release = new AsyncDisposableStack();
  // Each mostly waits for a program or the disk.
  const opening = await Promise.allSettled([
    lockState(stateDirectory),
    // Without it no slot could be removed.
    runner(["conntrack", "--version"], { signal }),
    readHostRoutes(runner, signal),
    options.resolvers?.map((text) => parseUpstream(text)) ?? hostUpstreams(),
    hostSearchDomains(),
  ]);
  if (opening[0].status === "fulfilled") release.use(opening[0].value);
  const [, , routes, upstreams, searchDomains] = valuesOf(opening);
  if (upstreams.length === 0) logger.warn("network.no_resolvers", { path: "/etc/resolv.conf" });
  const { instance, claimed } = await instanceOf(options, signal);
  await writeOwner(instance.id, { stateDirectory, block: instance.block });
  const table = options.connectionTable ?? readConnectionTable;
  const separated = await separatedInterfaces();
  const tableSize = (await table()).size;
  const connectionLimits = { ...DEFAULT_CONNECTION_LIMITS, ...options.connectionLimits };
  const rulesOf = (seen: HostRoutes): string =>
    compileHostRules(instance, {
      upstreams,
      opened: destinations.opened,
      routes: seen,
      separated,
      tableSize,
      connectionLimits,
    });
  // Every slot's link carries the address too; here it stands for the gateway before there is a slot.
  const address = `${hostGateway(instance)}/32`;
  valuesOf(
    await Promise.allSettled([
      claimed,
      runner(["nft", "-f", "-"], { signal, input: rulesOf(routes) }),
      runner(["ip", "addr", "replace", address, "dev", "lo"], { signal }),
    ]),
  );
  const teams = new TeamConnections({ instance, runner, logger }, { limits: connectionLimits, tableSize });
  await enableForwarding(separated, logger);
  const guarding = new AbortController();
  const restore = async (inner: AbortSignal): Promise<void> =>
    await teams.restore(rulesOf(await readHostRoutes(runner, inner)));
  const guard = guardConnections(
    { instance, runner, clock: systemClock, logger, table, restore },
    guarding.signal,
  );
  release.defer(async () => {
    guarding.abort();
    await guard;
  });

  const policies = new SlotPolicies({
    instance,
    stateDirectory,
    runner,
    clock: systemClock,
    logger,
    destinations,
    gateway: () => gateway,
  });
  const gateway = await Gateway.start(
    {
      instance,
      upstreams,
      destinations,
      searchDomains,
      questionsPerSecond: questionsPerSecond(tableSize),
      dialsPerSecond: dialsPerSecond(tableSize),
      logger,
      capsuleOf: options.capsuleOf,
      bind: (...binding) => policies.bind(...binding),
    },
    signal,
  );
  release.defer(() => gateway.close());
  const owned = release.move();
  return {
    instance,
    policies,
    teams,
    destinations,
    close: async (what) => {
      await using _ = owned;
      await gateway.close();
      guarding.abort();
      await guard;
      if (what === "leave") return;
      await runner(["ip", "addr", "del", address, "dev", "lo"], {});
      await runner(["nft", "delete", "table", "inet", hostTable(instance.id)], {});
      await releaseBlock(instance.block, runner);
      await removeJournal(stateDirectory);
      await removeOwner(instance.id);
      await restoreForwarding(runner, logger);
    },
  };
}

/** Claims the state directory for this process. @throws WrennError `network_in_use` when another process has it. */
async function lockState(directory: string): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = await tryLock(join(directory, "lock"));
  if (!lock) throw new WrennError("network_in_use", { directory });
  return lock;
}

/** What they resolved to, once all are settled: nothing runs on after a failure. */
function valuesOf<T extends readonly unknown[]>(settled: {
  readonly [K in keyof T]: PromiseSettledResult<T[K]>;
}): T {
  for (const one of settled) if (one.status === "rejected") throw one.reason;
  return settled.map((one) => (one as PromiseFulfilledResult<unknown>).value) as unknown as T;
}

/** The identity of an earlier run or a new one, and when its block is claimed. */
async function instanceOf(
  options: HostNetworkOptions,
  signal: AbortSignal,
): Promise<{ readonly instance: Instance; readonly claimed: Promise<void> }> {
  const { runner, stateDirectory, uidBase } = options;
  const journal = await readJournal(stateDirectory);
  if (journal) {
    const claimed = renewClaim(journal.block, runner, signal);
    // It is awaited with what is done at the same time.
    claimed.catch(() => {});
    return { instance: { id: journal.instance, block: journal.block, uidBase }, claimed };
  }
  const taken = new Set([...(await instancesInKernel()), ...(await ownedInstances())]);
  let id = randomHex(options.random, 2);
  // Two installations with one id would remove each other's slots.
  while (taken.has(id)) id = randomHex(options.random, 2);
  const block = await claimBlock(runner, signal);
  await writeJournal(stateDirectory, { instance: id, block });
  return { instance: { id, block, uidBase }, claimed: Promise.resolve() };
}
