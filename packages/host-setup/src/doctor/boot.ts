import { mkdtemp, rm } from "node:fs/promises";
import { newId, problemOf, systemRandom } from "@wrenn/core";
import type { HostAgent } from "@wrenn/protocol";
import { fail, ok } from "./check.ts";
import type { Check, Finding } from "./check.ts";

export interface BootCheckDeps {
  /** Starts a host agent that keeps its state in `dataDirectory`. */
  readonly startAgent: (dataDirectory: string, signal: AbortSignal) => Promise<BootableAgent>;
  /** Whether earlier checks found everything that a machine needs. */
  readonly possible: boolean;
}

type BootableAgent = Pick<HostAgent, "createCapsule" | "processes"> & {
  close(capsules: "destroy"): Promise<void>;
};

/** Boots a real machine and runs one command in it, next to any server that may be running. Nothing is left behind. */
export function bootCheck({ startAgent, possible }: BootCheckDeps): Check {
  return {
    id: "boot",
    title: "A real machine",
    why: "it is what everything else is for",
    inspect: async (_probe, signal) => {
      if (!possible) return fail("not tried", "Mend what failed above first.");
      // Short, because sockets lie below it.
      const dataDirectory = await mkdtemp("/tmp/wrenn-doctor-");
      try {
        return await bootAndRun(await startAgent(dataDirectory, signal), signal);
      } catch (error) {
        return failed(problemOf(error));
      } finally {
        await rm(dataDirectory, { recursive: true, force: true });
      }
    },
  };
}

async function bootAndRun(agent: BootableAgent, signal: AbortSignal): Promise<Finding> {
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
      ? ok(`started and ran a command in ${Math.round(performance.now() - startedAt)} ms`)
      : failed(`the command ended with ${exitCode} instead of 42`);
  } finally {
    await agent.close("destroy");
  }
}

function failed(problem: string): Finding {
  return fail(problem, "WRENN_LOG_LEVEL=debug ./wrenn up shows more.");
}
