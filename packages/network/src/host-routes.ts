import { parseNetwork, withoutNested } from "./cidr.ts";
import type { Runner } from "./runner.ts";

/** What the host's routes say of the networks around it. */
export interface HostRoutes {
  /** Networks that the host is connected to: their addresses are neighbours, not the internet. */
  readonly connected: readonly string[];
  /** Devices that lead to the internet without a router of which the kernel knows an IPv4 address, such as PPP or tunnels. */
  readonly uplinks: readonly string[];
}

interface Route {
  readonly type?: string;
  readonly dst: string;
  readonly dev?: string;
  readonly scope?: string;
  readonly gateway?: string;
  readonly via?: object;
  readonly nexthops?: readonly Omit<Route, "dst">[];
}

/** Tunnels that take everything replace the default route by its two halves. */
const DEFAULT_ROUTES = new Set(["default", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"]);

export async function readHostRoutes(runner: Runner, signal: AbortSignal): Promise<HostRoutes> {
  const { stdout } = await runner(["ip", "-4", "-json", "route", "show", "table", "all"], { signal });
  return parseHostRoutes(stdout);
}

/** @param json - what `ip -json route` prints. */
export function parseHostRoutes(json: string): HostRoutes {
  const routes = (JSON.parse(json) as readonly Route[]).flatMap(({ nexthops, ...route }): Route[] =>
    nexthops ? nexthops.map((hop) => ({ ...route, ...hop })) : [route],
  );
  const direct = routes.filter(
    ({ type = "unicast", dev, gateway }) =>
      type === "unicast" && gateway === undefined && dev !== undefined && !dev.startsWith("wr-"),
  );
  const connected = direct
    .filter(({ dst, scope, via }) => !DEFAULT_ROUTES.has(dst) && scope === "link" && via === undefined)
    .map(({ dst }) => parseNetwork(dst, "route"));
  const uplinks = direct.flatMap(({ dst, dev = "" }) => (DEFAULT_ROUTES.has(dst) ? [dev] : []));
  return { connected: withoutNested(connected).map(({ text }) => text), uplinks: [...new Set(uplinks)] };
}
