import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { readFileIfPresent } from "@wrenn/system";
import { GUARDED_SHARE, LARGE_TABLE_SIZE, USUAL_TABLE_SIZE } from "./connection-limits.ts";
import { hostTable } from "./naming.ts";
import type { Instance } from "./naming.ts";
import type { Runner } from "./runner.ts";

const LOOK_MS = 1000;

/** How full the host's table of connections is. */
export interface ConnectionTable {
  readonly entries: number;
  readonly size: number;
}

/** An empty table of the usual size, while the kernel has none: rules that need one make it. */
export async function readConnectionTable(): Promise<ConnectionTable> {
  const [entries = "0", size = USUAL_TABLE_SIZE] = await Promise.all(
    ["count", "max"].map((name) => readFileIfPresent(`/proc/sys/net/netfilter/nf_conntrack_${name}`)),
  );
  // The kernel says 0 for a table without a limit.
  return { entries: Number(entries), size: Number(size) || LARGE_TABLE_SIZE };
}

export interface ConnectionGuardDeps {
  readonly instance: Instance;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly table: () => Promise<ConnectionTable>;
  /** Puts the instance's rules into a kernel that has none of them. */
  readonly restore: (signal: AbortSignal) => Promise<void>;
}

/**
 * Keeps a part of the host's table of connections for the host: while the table is nearly full, capsules open no connections.
 * Those that they have go on. Rules that another program has removed from the host are put back, too. Ends with the signal, after
 * which the rules stay as they are.
 */
export async function guardConnections(deps: ConnectionGuardDeps, signal: AbortSignal): Promise<void> {
  const { instance, runner, clock, logger, table, restore } = deps;
  const name = hostTable(instance.id);
  const guard = `inet ${name} guard`;
  let isClosed = false;
  for (;;) {
    try {
      await clock.sleep(LOOK_MS, signal);
      const { stdout } = await runner(["nft", "list", "tables", "inet"], { signal });
      if (!stdout.split("\n").some((line) => line.trim().endsWith(` ${name}`))) {
        logger.error("network.rules_gone", { table: name });
        await restore(signal);
        isClosed = false;
      }
      const { entries, size } = await table();
      const isFull = entries > size * GUARDED_SHARE;
      if (isFull === isClosed) continue;
      const input = isFull ? `flush chain ${guard}\nadd rule ${guard} drop\n` : `flush chain ${guard}\n`;
      await runner(["nft", "-f", "-"], { signal, input });
      isClosed = isFull;
      if (isFull) logger.warn("network.connections_refused", { entries, size });
      else logger.info("network.connections_accepted", { entries, size });
    } catch (error) {
      if (signal.aborted) return;
      logger.error("network.guard_failed", { problem: problemOf(error) });
    }
  }
}
