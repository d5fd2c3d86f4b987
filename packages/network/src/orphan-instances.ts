import { readdir } from "node:fs/promises";
import { releaseBlock } from "./address-block.ts";
import { readOwner, removeOwner } from "./instance-owner.ts";
import type { InstanceOwner } from "./instance-owner.ts";
import { kernelSlots } from "./kernel-slots.ts";
import { hostGateway, hostTable } from "./naming.ts";
import { systemRunner } from "./runner.ts";
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

/** Removes namespaces, links, rules, address and block of an instance. Idempotent. */
export async function removeInstance({ id, owner, slots }: OrphanInstance): Promise<void> {
  const instance = { id, block: owner.block, uidBase: 0 };
  for (const slot of slots) await tearDownSlot(instance, slot, systemRunner);
  const remove = async (...argv: [string, ...string[]]): Promise<void> => {
    // What is gone already is what is wanted.
    await systemRunner(argv, {}).catch(() => undefined);
  };
  await remove("ip", "addr", "del", `${hostGateway(instance)}/32`, "dev", "lo");
  await remove("nft", "delete", "table", "inet", hostTable(id));
  await releaseBlock(owner.block, systemRunner).catch(() => undefined);
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
