import { readFile } from "node:fs/promises";
import { defined, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { defaultListenerLimits } from "@wrenn/edge";
import type { ListenerLimits } from "@wrenn/edge";

/** Descriptors that clients never get: for the database, machines, disks and files. */
const RESERVE = 4096;
/** A request for a port of a capsule has a connection to the client and one to the capsule. */
const EACH = 2;
const MOST = 1_000_000;
/** No team has more than one of so many parts of the connections. */
const SHARES = 4;
/** Networks of 64 bits whose shares one site of 48 bits has. */
const SITE = 4;

/** How many connections clients may have, as far as the environment says. */
export type ListenerSettings = Partial<Pick<ListenerLimits, "connections" | "perNetwork" | "perSite">>;

/** @throws WrennError `invalid_field`. */
export function readListenerSettings(env: Readonly<Record<string, string | undefined>>): ListenerSettings {
  const connections = parseCount(env, "WRENN_CONNECTIONS");
  const perNetwork = parseCount(env, "WRENN_ADDRESS_CONNECTIONS");
  return defined({
    connections,
    perNetwork,
    perSite: perNetwork === undefined ? undefined : perNetwork * SITE,
  });
}

/** The limits of this process: never so many connections that no descriptors are left for the rest. */
export async function listenerLimits(wanted: ListenerSettings, logger: Logger): Promise<ListenerLimits> {
  const limits = { ...defaultListenerLimits, ...wanted };
  const descriptors = await readDescriptorLimit();
  const connections = Math.min(limits.connections, connectionsWithin(descriptors));
  if (wanted.connections !== undefined && connections < wanted.connections)
    logger.warn("listener.connections_reduced", { wanted: wanted.connections, connections, descriptors });
  return { ...limits, connections, perOwner: Math.ceil(connections / SHARES) };
}

/** How many connections fit in a limit of descriptors. */
export function connectionsWithin(descriptors: number): number {
  const reserve = Math.min(RESERVE, Math.ceil(descriptors / 2));
  return Math.max(1, Math.floor((descriptors - reserve) / EACH));
}

/** The soft limit of this process; Node raises it to the hard one when it starts. */
async function readDescriptorLimit(): Promise<number> {
  const text = await readFile("/proc/self/limits", "utf8");
  const [, soft] = /^Max open files +(\d+|unlimited)/m.exec(text) ?? [];
  return soft === undefined || soft === "unlimited" ? Infinity : Number(soft);
}

function parseCount(env: Readonly<Record<string, string | undefined>>, field: string): number | undefined {
  const text = env[field];
  if (text === undefined) return undefined;
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MOST) return count;
  throw new WrennError("invalid_field", {
    field,
    problem: `must be a number from 1 to ${MOST}, not '${text}'`,
  });
}
