import { problemOf } from "@wrenn/core";
import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/** The metric of the server that counts calls of routes that its API of E2B does not have. */
const METRIC = "wrenn_e2b_unknown_requests_total";

const SHOWN = 10;
const SAMPLE = new RegExp(`^${METRIC}\\{(.*)\\} (\\d+)$`);
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\n": "\n", "\\\\": "\\", '\\"': '"' };

/**
 * What clients of E2B have missed in the running server.
 *
 * @param readMetrics - the metrics of the server of this data directory as Prometheus reads them; undefined where none runs.
 */
export function e2bRoutesCheck(readMetrics: (signal: AbortSignal) => Promise<string | undefined>): Check {
  return {
    id: "e2b-routes",
    title: "Clients of E2B",
    why: "a route that a client calls and the server does not have is a function that does not work",
    inspect: async (_probe, signal) => {
      let text: string | undefined;
      try {
        text = await readMetrics(signal);
      } catch (error) {
        // Capsules run on this host whether or not its server answers.
        return warn(`the server does not tell: ${problemOf(error)}`, "See the log of the server.");
      }
      if (text === undefined) return ok("no server runs here");
      const routes = text.split("\n").flatMap(routesOf);
      if (routes.length === 0) return ok("called no unknown route since the server was started");
      const shown = routes
        .sort((one, other) => other.count - one.count)
        .slice(0, SHOWN)
        .map(({ method, path, client, count }) => `${method} ${path} (${count} ×, last by ${client})`);
      const more = routes.length > SHOWN ? `, and ${routes.length - SHOWN} more` : "";
      return warn(
        `unknown routes were called: ${shown.join(", ")}${more}`,
        "Compare the client's release with those of docs/reference/e2b-coverage.md.",
      );
    },
  };
}

interface CountedRoute {
  readonly method: string;
  readonly path: string;
  readonly client: string;
  readonly count: number;
}

/** A line of the text format of Prometheus: labels in quotes, in which quote, backslash and line break are escaped. */
function routesOf(line: string): readonly CountedRoute[] {
  const [, list, count] = SAMPLE.exec(line) ?? [];
  if (list === undefined) return [];
  const labels = new Map<string, string>();
  for (const [, name = "", value = ""] of list.matchAll(LABEL))
    labels.set(
      name,
      value.replaceAll(/\\./g, (escape) => ESCAPES[escape] ?? escape),
    );
  const of = (name: string): string => labels.get(name) ?? "";
  return [{ method: of("method"), path: of("path"), client: of("client"), count: Number(count) }];
}
