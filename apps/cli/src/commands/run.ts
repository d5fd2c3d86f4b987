import { ApiClient } from "../client/api-client.ts";
import { createCapsule } from "../client/create-capsule.ts";
import { streamExec } from "../client/stream-exec.ts";
import { CommandExit } from "../command-exit.ts";
import { withEndpoint } from "../client/with-endpoint.ts";
import { defined, WrennError } from "@wrenn/core";

export interface RunOptions {
  readonly template: string;
  readonly vcpus: number;
  /** MiB */
  readonly memory: number;
  readonly env: readonly string[];
  readonly cwd?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly keep?: boolean;
}

/** The exit code of a command that was ended because its time ran out, as timeout(1) has it. */
const TIMED_OUT = 124;

/** Runs one command in a capsule of its own; its output, input and exit code are ours. */
export async function run(command: readonly string[], options: RunOptions): Promise<void> {
  const [cmd, ...args] = command;
  const envs = parseEnvironment(options.env);
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new CommandExit(130));
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const code = await withEndpoint(process.env, interrupted.signal, async (endpoint, ownServer) => {
    const api = new ApiClient(endpoint);
    const capsule = await createCapsule(
      api,
      { template: options.template, vcpus: options.vcpus, memory_mb: options.memory },
      interrupted.signal,
    );
    try {
      const exit = await streamExec(
        api,
        capsule.id,
        {
          cmd: cmd ?? "",
          args,
          envs,
          ...defined({ cwd: options.cwd, timeout_sec: options.timeout }),
        },
        { input: process.stdin, output: process.stdout, errors: process.stderr, signal: interrupted.signal },
      );
      if (exit.timedOut) process.stderr.write(`wrenn: ended after ${options.timeout} s (--timeout)\n`);
      return exit.timedOut ? TIMED_OUT : exit.code;
    } finally {
      if (options.keep) await keepCapsule(capsule.id, ownServer, interrupted.signal);
      else await api.request("DELETE", `/v1/capsules/${capsule.id}`);
    }
  });
  if (code !== 0) throw new CommandExit(code);
}

/** A kept capsule lives as long as its server; one that was started for this command stays until it is interrupted. */
async function keepCapsule(id: string, ownServer: boolean, signal: AbortSignal): Promise<void> {
  process.stderr.write(`wrenn: capsule ${id} keeps running\n`);
  if (!ownServer) return;
  process.stderr.write("wrenn: the server was started for it; Ctrl-C ends both\n");
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

function parseEnvironment(pairs: readonly string[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1)
      throw new WrennError("invalid_field", { field: "--env", problem: `must be NAME=value, not '${pair}'` });
    environment[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return environment;
}
