import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { load } from "./load.ts";
import type { LoadResult } from "./load.ts";

/** A control plane alone on the first core; its database and whoever asks it have the others. */
export interface ControlPlaneLab {
  /** @param connections - at once. */
  ask(method: string, path: string, connections: number, requests: number): Promise<LoadResult>;
  /** One answer, as JSON. */
  json<T>(method: string, path: string): Promise<T>;
  memoryMiB(): Promise<number>;
  /** Processor time that the control plane has used, in milliseconds. */
  cpuMs(): Promise<number>;
  /** Opens streams of events; the returned function ends them. */
  openStreams(count: number): Promise<() => void>;
  /** Gives the team 10,000 capsules, whose metadata are of 100 groups. */
  fill(): Promise<void>;
  close(): Promise<void>;
}

export async function startControlPlaneLab(cacheDirectory: string): Promise<ControlPlaneLab> {
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
    ],
    { stdio: ["ignore", "inherit", "ignore", "ipc"] },
  );
  const ended = once(child, "exit");
  const told = async <T>(): Promise<T> =>
    await Promise.race([
      once(child, "message").then(([message]) => message as T),
      ended.then(([code]) => Promise.reject(new Error(`the control plane ended: ${String(code)}`))),
    ]);
  const { port, apiKey } = await told<{ port: number; apiKey: string }>();
  const headers = { "x-api-key": apiKey };
  return {
    ask: async (method, path, connections, requests) =>
      await load(
        { port, method, path, headers, ...(method === "POST" ? { body: "{}" } : {}) },
        connections,
        requests,
      ),
    json: async <T>(method: string, path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { ...headers, ...(method === "POST" ? { "content-type": "application/json" } : {}) },
        ...(method === "POST" ? { body: "{}" } : {}),
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
