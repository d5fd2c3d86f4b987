import { defined, WrennError } from "@wrenn/core";
import { ApiClient } from "../client/api-client.ts";
import { attachTerminal } from "../client/attach-terminal.ts";
import { findEndpoint } from "../client/local-server.ts";
import { CommandExit } from "../command-exit.ts";

export interface ShellOptions {
  readonly attach?: string;
  readonly user?: string;
  readonly cwd?: string;
}

/** Opens a terminal in a capsule, or joins one that is open there; ends with its exit code. */
export async function shell(
  capsuleId: string,
  command: readonly string[],
  options: ShellOptions,
): Promise<void> {
  const endpoint = await findEndpoint(process.env);
  if (!endpoint) throw new WrennError("server_not_running", {});
  const [cmd = "/bin/bash", ...args] = command;
  const { user, cwd } = options;
  const first =
    options.attach === undefined
      ? {
          type: "start",
          cmd,
          args,
          ...defined({ user, cwd }),
        }
      : { type: "connect", tag: options.attach };
  let tag = options.attach;
  const code = await attachTerminal(
    new ApiClient(endpoint),
    capsuleId,
    first,
    { input: process.stdin, output: process.stdout },
    (started) => {
      tag = started;
    },
  ).catch((error: unknown) => {
    if (tag !== undefined)
      process.stderr.write(`wrenn: the terminal goes on; join it again with --attach ${tag}\n`);
    throw error;
  });
  if (code !== 0) throw new CommandExit(code);
}
