import { mkdtemp, rm } from "node:fs/promises";
import { silentLogger } from "@wrenn/core";
import { readConfig, startServer } from "@wrenn/server";
import type { ServerConfig } from "@wrenn/server";
import type { PhaseCollector } from "./request-phases.ts";
import type { ApiContext, ApiServer, BenchContext } from "./row.ts";

/** A server that a row has for itself, because it is configured otherwise or is filled with capsules. */
export interface OwnServer extends Omit<BenchContext, "apiOf"> {
  readonly capsulesDirectory: string;
  /** Ends every capsule of it. */
  readonly close: () => Promise<void>;
}

/** @param makeApi - a row gives its own, so that what the answers say of their time counts for it. */
export async function startOwnServer(
  overrides: Partial<ServerConfig>,
  signal: AbortSignal,
  makeApi: BenchContext["apiOf"] = (server) => apiOf(server, signal),
): Promise<OwnServer> {
  const dataDirectory = await mkdtemp("/tmp/wrenn-bench-");
  const config = readConfig(process.env, "127.0.0.1:0");
  const server = await startServer({
    config: {
      ...config,
      createAnswerMs: undefined,
      warmMachines: 0,
      parkedMachines: 0,
      ...overrides,
      dataDirectory,
    },
    logger: silentLogger,
    progress: () => {},
    signal,
  });
  return {
    server,
    signal,
    capsulesDirectory: `${dataDirectory}/capsules`,
    api: makeApi(server),
    close: async () => {
      await server.close("destroy");
      await rm(dataDirectory, { recursive: true });
    },
  };
}

/**
 * Calls the public API of a server.
 *
 * @param phases - takes what the answers say of their time.
 */
export function apiOf(server: ApiServer, signal: AbortSignal, phases?: PhaseCollector): ApiContext["api"] {
  return async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(new URL(path, server.url), {
      method,
      signal,
      headers: {
        "x-api-key": server.apiKey,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    phases?.add(path, response.headers.get("server-timing"));
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  };
}
