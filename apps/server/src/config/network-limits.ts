import { defined, WrennError } from "@wrenn/core";
import { createDestinations } from "@wrenn/network";
import type { ConnectionLimits, SlotLimits } from "@wrenn/network";

const MIB = 1 << 20;
/** MiB a second; the kernel's shaper counts in nanoseconds and has no use for more. */
const MOST_RATE = 100_000;
/** MiB; the shaper keeps it in 32 bits. */
const MOST_BURST = 2047;
/** The shaper keeps a burst as the time that the rate takes for it. */
const MOST_BURST_SECONDS = 60;
const MOST_CONNECTIONS = 1_000_000;
const MOST_PER_SECOND = 100_000;

/** What one capsule may take of this host's network, as far as the environment says. @throws WrennError `invalid_field`. */
export function readNetworkLimits(env: Readonly<Record<string, string | undefined>>): Partial<SlotLimits> {
  const { WRENN_NETWORK_RATE: rate, WRENN_NETWORK_CONNECTIONS: connections } = env;
  const { held, perSecond } = parseConnections("WRENN_NETWORK_CONNECTIONS", connections);
  return {
    ...(rate === undefined ? {} : parseRate("WRENN_NETWORK_RATE", rate)),
    ...defined({ connections: held, connectionsPerSecond: perSecond }),
  };
}

/** What all capsules of a team may take of this host's table of connections. @throws WrennError `invalid_field`. */
export function readConnectionLimits(
  env: Readonly<Record<string, string | undefined>>,
): Partial<ConnectionLimits> {
  const { held, perSecond } = parseConnections(
    "WRENN_NETWORK_TEAM_CONNECTIONS",
    env["WRENN_NETWORK_TEAM_CONNECTIONS"],
  );
  return defined({ team: held, teamPerSecond: perSecond });
}

/**
 * Networks that capsules of this host may reach besides the internet, as far as their policies allow it.
 *
 * @throws WrennError `invalid_field` for what is no IPv4 network, and for metadata addresses, which stay closed.
 */
export function readReachableNetworks(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const entries = (env["WRENN_REACHABLE_NETWORKS"] ?? "").split(",").map((text) => text.trim());
  return createDestinations(entries.filter((text) => text !== "")).opened;
}

/** MiB a second, and after a colon how many may pass at once after a quiet time; without that half a second's worth. */
function parseRate(field: string, text: string): Pick<SlotLimits, "bytesPerSecond" | "burstBytes"> {
  const match = /^(\d{1,6})(?::(\d{1,4}))?$/.exec(text);
  const rate = Number(match?.[1] ?? 0);
  const burst = Number(match?.[2] ?? Math.min(Math.ceil(rate / 2), MOST_BURST));
  const fits = burst >= 1 && burst <= Math.min(MOST_BURST, rate * MOST_BURST_SECONDS);
  if (rate < 1 || rate > MOST_RATE || !fits)
    throw new WrennError("invalid_field", {
      field,
      problem: `must be MiB a second (1 to ${MOST_RATE}) and at once (1 to ${MOST_BURST}, at most a minute's worth) like 200:100, not '${text}'`,
    });
  return { bytesPerSecond: rate * MIB, burstBytes: burst * MIB };
}

/** How many may be held, and after a colon how many may be opened per second. */
function parseConnections(
  field: string,
  text: string | undefined,
): { readonly held?: number; readonly perSecond?: number } {
  if (text === undefined) return {};
  const match = /^(\d{1,7})(?::(\d{1,6}))?$/.exec(text);
  const held = Number(match?.[1] ?? 0);
  const perSecond = match?.[2] === undefined ? undefined : Number(match[2]);
  const fits = held >= 1 && held <= MOST_CONNECTIONS && (perSecond ?? 1) >= 1;
  if (!fits || (perSecond ?? 1) > MOST_PER_SECOND)
    throw new WrennError("invalid_field", {
      field,
      problem: `must be connections (1 to ${MOST_CONNECTIONS}), and per second (1 to ${MOST_PER_SECOND}), like 4096:250, not '${text}'`,
    });
  return { held, ...defined({ perSecond }) };
}
