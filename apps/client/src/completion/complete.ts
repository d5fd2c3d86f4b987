import type { Argument, Command, Option } from "commander";

/** A word that fits, and what it is. */
export interface Candidate {
  readonly value: string;
  readonly text: string;
}

/** Kinds of names that a source of names knows. */
export type NameKind = "capsule" | "template" | "profile";

/** Names that exist, for a profile if the words have one. */
export type NameSource = (kind: NameKind, profile: string | undefined) => Promise<readonly Candidate[]>;

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Whether files of this machine fit, too: the shell knows them. */
  readonly takesFiles: boolean;
}

const NONE: Completion = { candidates: [], takesFiles: false };
const FILES: Completion = { candidates: [], takesFiles: true };

/** Where the words lead. */
interface Position {
  readonly command: Command;
  /** Arguments before the word. */
  readonly count: number;
  /** The option whose value the word is. */
  readonly option: Option | undefined;
  /** After `--`: no more options. */
  readonly isPlain: boolean;
  readonly profile: string | undefined;
}

/**
 * What the last word may become.
 *
 * @param words - those behind the name of the program, the last as far as it is written.
 */
export async function complete(
  root: Command,
  words: readonly string[],
  names: NameSource,
): Promise<Completion> {
  const begun = words.at(-1) ?? "";
  const position = follow(root, words.slice(0, -1));
  const { command, count, option, isPlain, profile } = position;
  const fitting = ({ candidates, takesFiles }: Completion, prefix = ""): Completion => ({
    candidates: candidates
      .map(({ value, text }) => ({ value: prefix + value, text }))
      .filter(({ value }) => value.startsWith(begun)),
    takesFiles,
  });
  if (option) return fitting(await valuesOf(option, names, profile));
  if (begun.startsWith("-") && !isPlain) {
    const [flag = "", value] = begun.split("=", 2);
    if (value === undefined) return fitting({ candidates: optionsOf(command), takesFiles: false });
    const named = findOption(command, flag);
    return named ? fitting(await valuesOf(named, names, profile), `${flag}=`) : NONE;
  }
  if (count === 0 && command.commands.length > 0)
    return fitting({ candidates: commandsOf(command), takesFiles: false });
  const { registeredArguments } = command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[count] ?? (last?.variadic === true ? last : undefined);
  return argument ? fitting(await valuesOf(argument, names, profile)) : NONE;
}

function follow(root: Command, words: readonly string[]): Position {
  let command = root;
  let count = 0;
  let option: Option | undefined;
  let isPlain = false;
  let profile: string | undefined;
  for (const word of words) {
    if (option) {
      if (option.long === "--profile") profile = word;
      option = undefined;
    } else if (word === "--" && !isPlain) isPlain = true;
    else if (word.startsWith("-") && word !== "-" && !isPlain) {
      const [flag = "", value] = word.split("=", 2);
      const found = findOption(command, flag);
      if (value === undefined) option = found?.required === true ? found : undefined;
      else if (found?.long === "--profile") profile = value;
    } else {
      const sub =
        count === 0 && !isPlain
          ? command.commands.find((one) => one.name() === word || one.aliases().includes(word))
          : undefined;
      if (sub) command = sub;
      else count++;
    }
  }
  return { command, count, option, isPlain, profile };
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find(({ long, short }) => long === flag || short === flag);
}

/** Long forms: what they mean can be read. */
function optionsOf(command: Command): readonly Candidate[] {
  const known = command.options
    .filter(({ hidden }) => !hidden)
    .map(({ long, short, description }) => ({ value: long ?? short ?? "", text: description }));
  return [...known, { value: "--help", text: "display help for command" }];
}

function commandsOf(command: Command): readonly Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => command.commands.includes(one))
    .map((one) => ({ value: one.name(), text: one.description() }));
}

/** Arguments and options say by their names what they take. */
async function valuesOf(
  taker: Argument | Option,
  names: NameSource,
  profile: string | undefined,
): Promise<Completion> {
  const word = "flags" in taker ? (/<([^.>]+)(?:\.\.\.)?>/.exec(taker.flags)?.[1] ?? "") : taker.name();
  const own = "flags" in taker ? (taker.long ?? "").slice(2) : word;
  const { argChoices } = taker;
  if (argChoices) return { candidates: argChoices.map((value) => ({ value, text: "" })), takesFiles: false };
  const kind = KINDS[own] ?? KINDS[word];
  if (kind) return { candidates: await names(kind, profile), takesFiles: false };
  return /^(path|file|directory|source|destination|src|dst)$/i.test(word) ? FILES : NONE;
}

const KINDS: Readonly<Record<string, NameKind>> = {
  capsule: "capsule",
  template: "template",
  from: "template",
  profile: "profile",
};
