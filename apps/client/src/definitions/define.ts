import { Option } from "commander";
import type { Command } from "commander";
import type { CommonOptions, Context, Setup, Terminal } from "../context.ts";
import { perform } from "../perform.ts";
import type { PerformOptions } from "../perform.ts";

/** What the definitions of commands are made with. */
export interface Program {
  readonly root: Command;
  readonly setup: Setup;
  readonly terminal: Terminal;
}

/** How a capsule is named in arguments. */
export const CAPSULE = "id, name, beginning of an id, or - for the last one";

/** What becomes of a capsule at the end of its lifetime. */
export const LIFETIME_ENDS = ["pause", "pause_disk", "destroy"] as const;

/** A word before the commands of one kind of thing, such as `wrenn team`. The program may have it already. */
export function group(parent: Command, name: string, description: string): Command {
  const known = parent.commands.find((command) => command.name() === name);
  return known ?? parent.command(name).description(description);
}

/** An option with few values. */
export function choice(
  flags: string,
  description: string,
  values: readonly string[],
  byDefault?: string,
): Option {
  const option = new Option(flags, description).choices([...values]);
  return byDefault === undefined ? option : option.default(byDefault);
}

/** A command that talks to a server. */
export function serverCommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option("--profile <name>", "use this profile (default: WRENN_PROFILE, or the current one)");
}

/** A command that prints data. */
export function dataCommand(parent: Command, name: string, description: string): Command {
  return serverCommand(parent, name, description).option("--json", "print one JSON document");
}

/**
 * What the command does. Its module is loaded only when it is called.
 *
 * @param run - gets the arguments of the command in their order, and then its options.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it types the arguments that commander hands over.
export function act<Values extends readonly unknown[]>(
  { setup, terminal }: Pick<Program, "setup" | "terminal">,
  command: Command,
  run: (context: Context, ...values: Values) => Promise<void>,
  options: PerformOptions = {},
): void {
  command.action(async (...all: readonly unknown[]) => {
    const values = all.slice(0, -1) as unknown as Values;
    const common = command.opts<CommonOptions>();
    const code = await perform(terminal, setup, common, options, (context) => run(context, ...values));
    await Promise.all([terminal.stdout, terminal.stderr].map(flushed));
    // A connection whose other side does not answer its end would keep the process alive.
    process.exit(code);
  });
}

/** Resolves when everything is written, or the reader is gone. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
