import { findServer, readFileIfPresent } from "@wrenn/system";

const PATIENCE_MS = 10_000;

/** Files by which the metrics of a server are read. */
export interface MetricsFiles {
  readonly serverRecord: string;
  /** Opens the metrics where requests of this machine do not come from its loopback address. */
  readonly metricsToken: string;
}

/**
 * The metrics of the server that runs with a data directory, in the text format of Prometheus.
 *
 * @returns undefined where none runs.
 * @throws Error when a server runs and does not answer with them.
 */
export async function readMetrics(
  { serverRecord, metricsToken }: MetricsFiles,
  signal: AbortSignal,
): Promise<string | undefined> {
  const server = await findServer(serverRecord);
  if (!server) return undefined;
  const token = (await readFileIfPresent(metricsToken))?.trim();
  const response = await fetch(new URL("/metrics", server.url), {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`GET ${server.url}/metrics answers ${response.status}`);
  return text;
}
