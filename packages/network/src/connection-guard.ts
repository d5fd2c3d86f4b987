import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { readFileIfPresent } from "@wrenn/system";
import { GUARDED_SHARE, USUAL_TABLE_SIZE } from "./connection-limits.ts";
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
  return { entries: Number(entries), size: Number(size) };
}

export interface ConnectionGuardDeps {
  readonly instance: Instance;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly table: () => Promise<ConnectionTable>;
}

/**
 * Keeps a part of the host's table of connections for the host: while the table is nearly full, capsules open no connections.
 * Those that they have go on. Ends with the signal, after which the rules stay as they are.
 */
export async function guardConnections(deps: ConnectionGuardDeps, signal: AbortSignal): Promise<void> {
  const { instance, runner, clock, logger, table } = deps;
  const guard = `inet ${hostTable(instance.id)} guard`;
  let isClosed = false;
  for (;;) {
    try {
      await clock.sleep(LOOK_MS, signal);
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
