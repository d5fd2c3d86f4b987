import type { Command } from "commander";
import { duration, pair } from "../options/parse.ts";

/**
 * A command whose last argument is a program with its arguments. Options are read up to the program, before and behind the capsule, so
 * that `exec web ls -la` and `exec web -i -- cat` both mean what they say.
 *
 * @param at - place of the program among the arguments.
 * @param isRequired - whether there has to be one.
 */
export function takesProgram(command: Command, at: number, isRequired: boolean): Command {
  return command.passThroughOptions().hook("preAction", () => {
    const words = (command.processedArgs[at] ?? []) as readonly string[];
    // commander stops at the first argument; what follows the capsule may still be options of ours.
    const { operands, unknown } =
      at === 0 ? { operands: words, unknown: [] } : command.parseOptions([...words]);
    const [option] = unknown;
    if (option === "--help" || option === "-h") command.help();
    if (option !== undefined) command.error(`error: unknown option '${option}'`);
    if (isRequired && operands.length === 0) command.error("error: missing required argument 'command'");
    command.processedArgs[at] = operands;
  });
}

/** Adds the options of programs. */
export function programOptions(command: Command): Command {
  return command
    .option("-e, --env <NAME=value>", "environment variable, repeatable", pair)
    .option("-w, --cwd <path>", "working directory in the capsule")
    .option("-u, --user <name>", "user to run as");
}

/** Adds the option of programs that are ended after a time. */
export function timeoutOption(command: Command): Command {
  return command.option("--timeout <duration>", "end the program after this long", duration);
}

/** Adds the option of terminals. */
export function detachOption(command: Command): Command {
  return command.option(
    "--detach-keys <keys>",
    "keys that leave the terminal, or none (default: WRENN_DETACH_KEYS, the profile, or ctrl-p,ctrl-q)",
  );
}

const SEPARATOR = "--";

/**
 * A command with an argument that may be left out and a program behind `--`: `shell web -- top` and `shell -- top`. commander drops the
 * separator where it comes first, and could not tell these apart.
 */
export function separatesProgram(command: Command): Command {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => {
    const at = words.indexOf(SEPARATOR);
    return parse(at < 0 ? words : [...words.slice(0, at), SEPARATOR, ...words.slice(at)]);
  };
  return command.hook("preAction", () => {
    const [first, rest = []] = command.processedArgs as [string | undefined, readonly string[] | undefined];
    const words = first === undefined ? rest : [first, ...rest];
    const at = words.indexOf(SEPARATOR);
    const before = at < 0 ? words : words.slice(0, at);
    if (before.length > 1)
      command.error(`error: put -- before the program: shell ${before[0]} -- ${before.slice(1).join(" ")}`);
    command.processedArgs[0] = before[0];
    command.processedArgs[1] = at < 0 ? [] : words.slice(at + 1);
  });
}
