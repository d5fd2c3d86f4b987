import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { load } from "./load.ts";
import type { LoadResult } from "./load.ts";

/** A control plane alone on the first core; its database and whoever asks it have the others. */
export interface ControlPlaneLab {
  readonly url: string;
  /** Creates the first administrator, who owns the team of the key. */
  readonly firstAdminToken: string;
  /** @param connections - at once. */
  ask(method: string, path: string, connections: number, requests: number): Promise<LoadResult>;
  /** One answer, as JSON. @param body - default: none for GET, an empty object otherwise. */
  json<T>(method: string, path: string, body?: object): Promise<T>;
  memoryMiB(): Promise<number>;
  /** Processor time that the control plane has used, in milliseconds. */
  cpuMs(): Promise<number>;
  /** Opens streams of events; the returned function ends them. */
  openStreams(count: number): Promise<() => void>;
  /** Gives the team 10,000 capsules, whose metadata are of 100 groups. */
  fill(): Promise<void>;
  close(): Promise<void>;
}

interface LabAddress {
  readonly port: number;
  readonly apiKey: string;
  readonly firstAdminToken: string;
}

export interface ControlPlaneLabOptions {
  /** Folder with the built dashboard; without it none is served. */
  readonly dashboard?: string;
}

export async function startControlPlaneLab(
  cacheDirectory: string,
  { dashboard }: ControlPlaneLabOptions = {},
): Promise<ControlPlaneLab> {
  const directory = await mkdtemp("/tmp/wrenn-bench-cp-");
  await chmod(directory, 0o711);
  const child = spawn(
    process.execPath,
    // As the launcher starts a server.
    [
      "--max-semi-space-size=4",
      join(import.meta.dirname, "process.ts"),
      join(directory, "db"),
      cacheDirectory,
      ...(dashboard === undefined ? [] : [dashboard]),
    ],
    { stdio: ["ignore", "inherit", "ignore", "ipc"] },
  );
  const ended = once(child, "exit");
  const told = async <T>(): Promise<T> =>
    await Promise.race([
      once(child, "message").then(([message]) => message as T),
      ended.then(([code]) => Promise.reject(new Error(`the control plane ended: ${String(code)}`))),
    ]);
  const { port, apiKey, firstAdminToken } = await told<LabAddress>();
  const headers = { "x-api-key": apiKey };
  return {
    url: `http://localhost:${port}`,
    firstAdminToken,
    ask: async (method, path, connections, requests) =>
      await load(
        { port, method, path, headers, ...(method === "POST" ? { body: "{}" } : {}) },
        connections,
        requests,
      ),
    json: async <T>(method: string, path: string, body: object = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { ...headers, ...(method === "GET" ? {} : { "content-type": "application/json" }) },
        ...(method === "GET" ? {} : { body: JSON.stringify(body) }),
      });
      if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}`);
      return (await response.json()) as T;
    },
    memoryMiB: async () => {
      const answer = told<{ memoryMiB: number }>();
      child.send("memory");
      return (await answer).memoryMiB;
    },
    cpuMs: async () => {
      const answer = told<{ cpuMs: number }>();
      child.send("cpu");
      return (await answer).cpuMs;
    },
    openStreams: async (count) => {
      const stop = new AbortController();
      const responses = await Promise.all(
        Array.from({ length: count }, async () => {
          const url = `http://127.0.0.1:${port}/v1/events`;
          return await fetch(url, { headers, signal: stop.signal });
        }),
      );
      for (const { status } of responses) if (status !== 200) throw new Error(`a stream answered ${status}`);
      return () => stop.abort();
    },
    fill: async () => {
      const filled = told<object>();
      child.send("fill");
      await filled;
    },
    close: async () => {
      child.disconnect();
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
