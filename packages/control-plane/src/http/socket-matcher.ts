import type { IncomingMessage } from "node:http";
import { parseId, WrennError } from "@wrenn/core";
import { isCapsuleName } from "./capsule-names.ts";
import { isContractSocket } from "./contract-routes.ts";
import type { SocketRoute, TeamSocketRoute } from "./socket-route.ts";
import { listedOrRefused, prefersStrict } from "./strict-fields.ts";

const PATH = /^(?:\/api)?\/v1\/(admin\/)?(capsules|builds)\/([^/]+)\/(.+)$/;

/** A request to open a session. */
export interface SocketRequest {
  /** For a capsule or build of the platform. */
  readonly isAdmin: boolean;
  /** Id of what the route is of; for a capsule it may be its name. */
  readonly named: string;
  readonly route: SocketRoute | TeamSocketRoute;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Whether fields that the route does not know are refused. */
  readonly isStrict: boolean;
}

/** @returns a function that finds the route of an upgrade. It throws WrennError `invalid_id`, `invalid_field`, `route_not_found`. */
export function createMatcher(
  routes: readonly (SocketRoute | TeamSocketRoute)[],
): (request: IncomingMessage) => SocketRequest {
  const patterns = routes.map((route) => ({
    route,
    pattern: new RegExp(`^${route.path.replaceAll(/:(\w+)/g, "(?<$1>[^/]+)")}$`),
  }));
  return (request) => {
    const url = URL.parse(request.url ?? "", "http://localhost");
    const [, admin, root, segment = "", rest = ""] = PATH.exec(url?.pathname ?? "") ?? [];
    for (const { route, pattern } of patterns) {
      const match = root === ("root" in route ? route.root : "capsules") && pattern.exec(rest);
      if (!url || !match) continue;
      const named = decode(segment);
      if ("root" in route) parseId("build", named);
      else if (!isCapsuleName(named)) parseId("capsule", named);
      const segments = Object.entries(match.groups ?? {});
      const params = Object.fromEntries(segments.map(([name, text]) => [name, decode(text)]));
      const isStrict = prefersStrict(request.headers) || !isContractSocket(route.path);
      const query = url.searchParams;
      const known = { properties: route.description.query ?? {} };
      listedOrRefused(known, Object.fromEntries(query), isStrict);
      return { isAdmin: admin !== undefined, named, route, params, query, isStrict };
    }
    throw new WrennError("route_not_found", {
      method: "WebSocket",
      path: (request.url ?? "").split("?")[0] ?? "",
    });
  };
}

/** A segment of a path without its escapes; one that is escaped wrongly is returned as it is, and is found nowhere. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
