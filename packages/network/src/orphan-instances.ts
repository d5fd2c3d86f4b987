import { readdir } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { releaseBlock } from "./address-block.ts";
import { readOwner, removeOwner } from "./instance-owner.ts";
import type { InstanceOwner } from "./instance-owner.ts";
import { forgetConnections } from "./forget-connections.ts";
import { kernelSlots } from "./kernel-slots.ts";
import { hostGateway, hostTable, slotOf } from "./naming.ts";
import { systemRunner } from "./runner.ts";
import type { Runner } from "./runner.ts";
import { readJournal } from "./slot-journal.ts";
import { tearDownSlot } from "./slot-setup.ts";

/** What the kernel holds of an installation whose state is gone: nobody can take it over. */
export interface OrphanInstance {
  readonly id: string;
  readonly owner: InstanceOwner;
  readonly slots: readonly number[];
}

/**
 * Instances in the kernel whose journal no longer exists, or is another's. A journal that cannot be read proves nothing: its
 * instance may be in use.
 */
export async function findOrphanInstances(): Promise<readonly OrphanInstance[]> {
  const orphans: OrphanInstance[] = [];
  for (const id of await instancesInKernel()) {
    const owner = await readOwner(id);
    if (!owner) continue;
    const journal = await readJournal(owner.stateDirectory).catch(() => "unreadable" as const);
    if (journal !== "unreadable" && journal?.instance !== id)
      orphans.push({ id, owner, slots: await kernelSlots(id) });
  }
  return orphans;
}

export interface RemoveInstanceDeps {
  readonly runner: Runner;
  /** Ids of all instances of which the kernel holds anything. */
  readonly inKernel: () => Promise<readonly string[]>;
}

/**
 * Removes namespaces, links, rules, address and block of an instance. Idempotent.
 *
 * @throws WrennError `operation_failed` when the kernel still holds something of it: its owner is kept, so that it is found again.
 */
export async function removeInstance(
  { id, owner, slots }: OrphanInstance,
  { runner, inKernel }: RemoveInstanceDeps = { runner: systemRunner, inKernel: instancesInKernel },
): Promise<void> {
  const instance = { id, block: owner.block, uidBase: 0 };
  for (const slot of slots) {
    await tearDownSlot(instance, slot, runner);
    // Without the tool its connections stay in the table until their time is over.
    await forgetConnections([slotOf(instance, slot).hostAddress], runner).catch(() => undefined);
  }
  const remove = async (...argv: [string, ...string[]]): Promise<void> => {
    // What is gone already is what is wanted.
    await runner(argv, {}).catch(() => undefined);
  };
  await remove("ip", "addr", "del", `${hostGateway(instance)}/32`, "dev", "lo");
  await remove("nft", "delete", "table", "inet", hostTable(id));
  if ((await inKernel()).includes(id))
    throw new WrennError("operation_failed", {
      operation: `removing the network of instance ${id}`,
      problem: "the kernel still holds some of it",
    });
  await releaseBlock(owner.block, runner).catch(() => undefined);
  await removeOwner(id);
}

/** Ids of all instances of which the kernel holds anything. */
export async function instancesInKernel(): Promise<readonly string[]> {
  const names = [
    ...(await readdir("/run/netns").catch(() => [])),
    ...(await readdir("/sys/class/net")),
    ...(await tables()),
  ];
  const ids = names.flatMap((name) => /^(?:wrenn-|wr-|wrenn_)([0-9a-f]{4})(?:-\d+)?$/.exec(name)?.[1] ?? []);
  return [...new Set(ids)].toSorted();
}

async function tables(): Promise<readonly string[]> {
  const { stdout } = await systemRunner(["nft", "list", "tables", "inet"], {});
  return stdout.split("\n").flatMap((line) => /^table inet (\S+)$/.exec(line)?.[1] ?? []);
}
