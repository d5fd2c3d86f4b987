import type { Capsule, ProcessDetails } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { signalCodes } from "../errors/exit-codes.ts";
import { Exit } from "../errors/report-failure.ts";
import { keysOf, useTerminal } from "../programs/open-terminal.ts";
import type { TerminalOptions } from "../programs/open-terminal.ts";
import { followOutput } from "../programs/stream-program.ts";
import { leftCode } from "../terminal/join-terminal.ts";

export interface AttachOptions extends Pick<TerminalOptions, "detachKeys"> {
  readonly interactive?: boolean;
}

/**
 * Joins a terminal, or follows the output of a process, to its end, with its exit code. Leaving it ends nothing in the capsule.
 *
 * @param selector - process id or tag.
 */
export async function attach(
  context: Context,
  reference: string,
  selector: string,
  options: AttachOptions,
): Promise<void> {
  const capsule = await context.capsule(reference);
  const process = await capsule.commands.get(selector, { signal: context.signal });
  const code = process.isTerminal
    ? await joinAgain(context, capsule, process, options)
    : await follow(context, capsule, process, options);
  if (code !== 0) throw new Exit(code);
}

async function joinAgain(
  context: Context,
  capsule: Capsule,
  { pid }: ProcessDetails,
  options: AttachOptions,
): Promise<number> {
  const { signal } = context;
  const detachKeys = await keysOf(context, options);
  const outcome = await useTerminal(context, capsule, {
    open: async ({ cols, rows, ...listener }) => {
      const terminal = await capsule.pty.connect(pid, { ...listener, signal });
      if (cols !== undefined && rows !== undefined) terminal.resize(cols, rows);
      return terminal;
    },
    detachKeys,
  });
  return outcome.exitCode ?? leftCode(outcome.signal);
}

async function follow(
  context: Context,
  capsule: Capsule,
  { pid, tag }: ProcessDetails,
  { interactive = false }: AttachOptions,
): Promise<number> {
  const { signal } = context;
  const { stdin } = context.terminal;
  const handle = await capsule.commands.connect(pid, { encoding: "bytes", signal });
  context.signalHandler = (name) => {
    handle.detach();
    context.output.note(`wrenn: left process ${pid}, which runs on`);
    context.output.note(`       Follow it with \`wrenn attach ${capsule.id} ${tag ?? pid}\`.`);
    context.interrupt(signalCodes[name]);
  };
  try {
    if (interactive) giveInput(context, handle);
    await followOutput(context, handle);
    return (await handle.wait()).exitCode;
  } finally {
    context.signalHandler = undefined;
    if (interactive) stdin.destroy();
  }
}

interface InputTaker {
  readonly sendStdin: (data: Uint8Array) => Promise<void>;
  readonly closeStdin: () => Promise<void>;
}

/** Beside the output. A process that takes no input is still followed. */
function giveInput({ terminal: { stdin }, output, signal }: Context, handle: InputTaker): void {
  const give = async (): Promise<void> => {
    for await (const bytes of stdin) await handle.sendStdin(bytes as Uint8Array);
    await handle.closeStdin();
  };
  give().catch((error: unknown) => {
    if (signal.aborted || stdin.destroyed) return;
    output.note(`wrenn: input is no longer taken: ${error instanceof Error ? error.message : String(error)}`);
  });
}
