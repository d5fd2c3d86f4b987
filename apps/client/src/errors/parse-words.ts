import { CommanderError } from "commander";
import type { Command } from "commander";
import type { Terminal } from "../context.ts";
import { Output } from "../output/output.ts";
import { suggest } from "../output/suggest.ts";
import { ClientError } from "./client-error.ts";
import { exitCodes } from "./exit-codes.ts";
import { reportFailure } from "./report-failure.ts";

type Streams = Pick<Terminal, "env" | "stdout" | "stderr">;

/**
 * Runs the command of a command line. One that is wrong is reported like every failure: what is wrong and what to do, and under
 * `--json` as the one document.
 *
 * @param words - what follows the name of the program.
 * @returns the exit code of a wrong command line, or of help that was asked for; undefined when a command ran.
 */
export async function parseWords(
  root: Command,
  terminal: Streams,
  words: readonly string[],
): Promise<number | undefined> {
  for (const command of allOf(root)) reportUsage(command, terminal, words);
  try {
    await root.parseAsync([...words], { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
  }
}

function allOf(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allOf)];
}

function reportUsage(command: Command, { env, stdout, stderr }: Streams, words: readonly string[]): void {
  const isJson = printsJson(command, words);
  command.showHelpAfterError(false).configureOutput({
    writeOut: (text) => void stdout.write(text),
    // Help of a group whose command is missing.
    writeErr: (text) => void (isJson || stderr.write(text)),
    outputError: () => undefined,
  });
  command.exitOverride((error) => {
    const isHelp = error.code === "commander.help";
    if (error.exitCode !== 0 && (isJson || !isHelp)) {
      const output = new Output({ stdout, stderr, env, isJson });
      reportFailure(usageError(command, error, isHelp), output, false);
    }
    throw error;
  });
}

/** Whether the words of the command, not those of a program in a capsule, have the option without a value. */
function printsJson(command: Command, words: readonly string[]): boolean {
  const option = command.options.find(({ long }) => long === "--json");
  if (option && (option.required || option.optional)) return false;
  const end = words.indexOf("--");
  return words.slice(0, end < 0 ? words.length : end).includes("--json");
}

function usageError(command: Command, error: CommanderError, isHelp: boolean): ClientError {
  // commander's own suggestions are left out: mistyped names get those of every other command.
  const [said = ""] = error.message.replace(/^error: /, "").split("\n(Did you mean");
  const [, kind, word = ""] = /^unknown (option|command) '(.*)'$/s.exec(said) ?? [];
  const isMissing = isHelp || (word === "--json" && command.commands.length > 0);
  if (isMissing)
    return new ClientError(
      "usage",
      "usage",
      `a command is missing behind '${pathOf(command)}'`,
      remedyOf(command),
    );
  const known = kind === "option" ? optionsOf(command) : namesOf(command);
  const near = kind === undefined ? undefined : suggest(word.replace(/=.*/s, ""), known);
  const [, problem, needed] = /^(.* is invalid)\. (.+)$/s.exec(said) ?? [];
  const needsUsage = /^commander\.(?:missing|excess)Argument/.test(error.code) || said.startsWith("missing ");
  const remedy =
    near !== undefined
      ? `Did you mean '${near}'?`
      : needed !== undefined
        ? needed.charAt(0).toUpperCase() + needed.slice(1)
        : needsUsage
          ? `Usage: ${pathOf(command)} ${command.usage()}`
          : remedyOf(command);
  return new ClientError("usage", "usage", (problem ?? said).replace(/\.$/, ""), remedy);
}

function remedyOf(command: Command): string {
  return `See \`${pathOf(command)} --help\`.`;
}

/** `wrenn template ls` */
function pathOf(command: Command): string {
  const { parent } = command;
  return parent ? `${pathOf(parent)} ${command.name()}` : command.name();
}

function optionsOf(command: Command): readonly string[] {
  const options = command.options.filter(({ hidden }) => !hidden);
  return [...options.flatMap(({ long = "" }) => (long === "" ? [] : [long])), "--help"];
}

function namesOf(command: Command): readonly string[] {
  const visible = command.createHelp().visibleCommands(command);
  return visible.flatMap((one) => [one.name(), ...one.aliases()]);
}
