import { dirname } from "node:path";
import { findAbandonedBuilds, isAbandonedBuild, removeAbandonedBuild } from "@wrenn/disk-image";
import { findOrphanInstances, removeInstance } from "@wrenn/network";
import { exists } from "@wrenn/system";
import {
  endMachine,
  listEmptyGroups,
  listGroups,
  listMachines,
  listPageServers,
  openCgroups,
} from "@wrenn/vmm";
import { sweepHost } from "./sweep-host.ts";
import type { Orphan, OrphanFinder, Swept } from "./sweep-host.ts";

const GRACE_MS = 60_000;

/**
 * Finders of everything that killed processes of any installation on this machine can leave behind. They leave out what
 * an installation can still take over at its next start: machines outlive their server on purpose.
 *
 * The order matters: a group is empty once its machine has been ended.
 */
export function orphanFinders(cacheDirectory: string): readonly OrphanFinder[] {
  return [
    { kind: "machine", find: machines },
    { kind: "page-server", find: pageServers },
    { kind: "cgroup", find: groups },
    { kind: "network", find: networks },
    { kind: "build", find: () => builds(cacheDirectory) },
  ];
}

/** Sweeps once, for the command line. Skips what is younger than a minute, because it may still be being created. */
export async function sweepOrphans(
  cacheDirectory: string,
  options: { readonly dryRun: boolean },
): Promise<readonly Swept[]> {
  return await sweepHost({ finders: orphanFinders(cacheDirectory), graceMs: GRACE_MS, ...options });
}

/** Machines without an owner: their directory is gone, or the process that booted them for a template has exited. */
async function machines(): Promise<readonly Orphan[]> {
  const orphans: Orphan[] = [];
  for (const machine of await listMachines()) {
    const { directory, ageMs } = machine;
    const reason = !(await exists(directory))
      ? "its directory is gone"
      : (await isAbandonedBuild(dirname(directory)))
        ? "the process that was making a template of it is gone"
        : undefined;
    if (reason === undefined) continue;
    const name = `${machine.supervisor.pid} ${directory}`;
    orphans.push({ name, reason, ageMs, remove: () => endMachine(machine) });
  }
  return orphans;
}

/** Page servers end with their connection; one that a machine has taken over may not. */
async function pageServers(): Promise<readonly Orphan[]> {
  const orphans: Orphan[] = [];
  for (const server of await listPageServers()) {
    if (server.hasOwner) continue;
    const name = `${server.supervisor.pid} ${server.directory}`;
    const reason = "the process that started it is gone";
    orphans.push({ name, reason, ageMs: server.ageMs, remove: () => endMachine(server) });
  }
  return orphans;
}

async function groups(): Promise<readonly Orphan[]> {
  const cgroups = await openCgroups();
  const empty = await listEmptyGroups(cgroups.version, await listGroups(cgroups));
  return empty.map(({ id, ageMs }): Orphan => {
    return { name: id, reason: "no process is in it", ageMs, remove: () => cgroups.remove(id) };
  });
}

async function networks(): Promise<readonly Orphan[]> {
  return (await findOrphanInstances()).map((instance): Orphan => {
    const { id, owner, slots } = instance;
    return {
      name: `${id} (${slots.length} slots)`,
      reason: `its state in ${owner.stateDirectory} is gone`,
      // State goes before the kernel's objects only when it is deleted by hand: there is nothing to wait for.
      ageMs: Infinity,
      remove: () => removeInstance(instance),
    };
  });
}

async function builds(cacheDirectory: string): Promise<readonly Orphan[]> {
  return (await findAbandonedBuilds(cacheDirectory)).map((build): Orphan => {
    return {
      name: build.directory,
      reason: "the process that was building it is gone",
      ageMs: build.ageMs,
      remove: () => removeAbandonedBuild(build),
    };
  });
}
