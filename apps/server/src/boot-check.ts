import { mkdtemp, rm } from "node:fs/promises";
import { newId, problemOf, silentLogger, systemRandom } from "@wrenn/core";
import type { ServerConfig } from "./config.ts";
import { startHostAgent } from "./start-host-agent.ts";

/**
 * Boots a real machine and runs a command in it, beside any server that may be running; nothing is left behind.
 *
 * @returns how long it took from the request to the command's answer, in ms, or why it did not work.
 */
export async function bootCheck(
  config: ServerConfig,
  signal: AbortSignal,
): Promise<{ readonly ms: number } | { readonly problem: string }> {
  // Short, because sockets lie below it.
  const dataDirectory = await mkdtemp("/tmp/wrenn-doctor-");
  try {
    const agent = await startHostAgent(
      {
        config: { ...config, dataDirectory },
        logger: silentLogger,
        version: "0",
        progress: () => {},
        connections: { inUse: () => false, drain: async () => {}, reset: () => {} },
      },
      signal,
    );
    try {
      const id = newId("capsule", systemRandom);
      const startedAt = performance.now();
      await agent.createCapsule(
        { id, template: "minimal", vcpus: 1, memoryMib: 512, diskMib: 5120, timeoutSec: 0, envs: {} },
        signal,
      );
      const process = await agent
        .processes(id)
        .start({ cmd: "sh", args: ["-c", "exit 42"], envs: {}, stdin: false, output: "attached" }, signal);
      const { exitCode } = await process.wait(signal);
      return exitCode === 42
        ? { ms: Math.round(performance.now() - startedAt) }
        : { problem: `the command ended with ${exitCode} instead of 42` };
    } finally {
      await agent.close("destroy");
    }
  } catch (error) {
    return { problem: problemOf(error) };
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
}
