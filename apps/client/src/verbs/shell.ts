import type { Capsule } from "@wrenn/sdk";
import { createCapsule } from "../capsules/create-capsule.ts";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { Exit } from "../errors/report-failure.ts";
import { openTerminal, requireTerminal } from "../programs/open-terminal.ts";
import type { TerminalOptions } from "../programs/open-terminal.ts";
import { leftCode } from "../terminal/join-terminal.ts";
import type { TerminalOutcome } from "../terminal/join-terminal.ts";

export interface ShellOptions extends TerminalOptions {
  readonly template?: string;
  readonly name?: string;
  readonly vcpus?: number;
  /** MiB. */
  readonly memory?: number;
  readonly rm?: boolean;
}

/**
 * Opens a terminal in a capsule, or in a new one when none is named, and ends with the exit code of its program. A new capsule is kept,
 * unless `--rm` says otherwise; what became of it is said at the end.
 */
export async function shell(
  context: Context,
  reference: string | undefined,
  words: readonly string[],
  options: ShellOptions,
): Promise<void> {
  requireTerminal(context, "wrenn exec -i");
  if (reference !== undefined) {
    requireNoCreateOptions(options);
    const capsule = await context.capsule(reference);
    return finish(await openTerminal(context, capsule, words, options));
  }
  const { template, name, vcpus, memory: memoryMib, rm: isRemoved = false } = options;
  const settings = { template: template ?? "minimal", name, vcpus, memoryMib };
  const capsule = await createCapsule(context, settings);
  await context.remember(capsule.id);
  let outcome: TerminalOutcome | undefined;
  try {
    outcome = await openTerminal(context, capsule, words, options);
  } finally {
    await end(context, capsule, isRemoved && !isDetached(outcome));
  }
  finish(outcome);
}

/** Left by the detach keys: the user comes back. */
function isDetached(outcome: TerminalOutcome | undefined): boolean {
  return outcome !== undefined && outcome.exitCode === undefined && outcome.signal === undefined;
}

async function end({ output }: Context, capsule: Capsule, isRemoved: boolean): Promise<void> {
  if (isRemoved) {
    try {
      await capsule.destroy();
      return output.note(`wrenn: removed capsule ${capsule.id}`);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      output.note(`wrenn: capsule ${capsule.id} could not be removed: ${problem}`);
    }
  } else output.note(`wrenn: capsule ${capsule.id} keeps running`);
  output.note(`       \`wrenn shell ${capsule.id}\` opens it again, \`wrenn rm ${capsule.id}\` removes it.`);
}

function finish({ exitCode, signal }: TerminalOutcome): void {
  const code = exitCode ?? leftCode(signal);
  if (code !== 0) throw new Exit(code);
}

function requireNoCreateOptions({ rm, template, name, vcpus, memory }: ShellOptions): void {
  const given = Object.entries({ rm, template, name, vcpus, memory }).find(
    ([, value]) => value !== undefined,
  );
  if (given)
    throw new ClientError(
      "usage",
      "options_conflict",
      `--${given[0]} is for a capsule that shell creates, and one is named`,
      `Leave out --${given[0]}, or the capsule.`,
    );
}
