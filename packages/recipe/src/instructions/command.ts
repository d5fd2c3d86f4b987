import { isHeredocWord } from "../syntax/heredocs.ts";
import { parseJsonForm } from "../syntax/json-form.ts";
import { refuse } from "../syntax/refusal.ts";
import { splitWords } from "../syntax/words.ts";
import type { Written } from "../syntax/written.ts";
import type { RawInstruction, RecipeCommand } from "./instruction.ts";

/**
 * Reads a command in one of its forms: JSON array, or text for the shell.
 *
 * @param mayBeEmpty - whether `[]` is a command, which takes that of the base away.
 */
export function parseCommand(args: Written, keyword: string, mayBeEmpty = false): RecipeCommand {
  requireArguments(args, keyword);
  const argv = parseJsonForm(args);
  if (argv === undefined) return { form: "shell", text: withoutNull(args) };
  if (!mayBeEmpty && (argv.length === 0 || argv[0] === ""))
    refuse(args, `${keyword} names no program`, `Write ${keyword} ["program", "argument"].`);
  return { form: "exec", argv };
}

/** Reads the command of RUN with its heredocs: the shell reads them itself, unless one heredoc is all there is. */
export function parseRunCommand(args: Written, { heredocs, escape }: RawInstruction): RecipeCommand {
  const [first] = heredocs;
  if (first === undefined) return parseCommand(args, "RUN");
  const [word, another] = splitWords(args, escape);
  if (word !== undefined && another === undefined && isHeredocWord(word.text)) {
    const { text } = first.content;
    if (text.trim() === "")
      refuse(
        args,
        "the heredoc of RUN is empty",
        "Write the commands of the step between its first and its last line.",
      );
    return { form: text.startsWith("#!") ? "script" : "shell", text };
  }
  const bodies = heredocs.map(({ raw, name }) => `\n${raw}${name}`);
  return { form: "shell", text: [withoutNull(args), ...bodies].join("") };
}

/** Refuses an instruction without arguments. */
export function requireArguments(args: Written, keyword: string): void {
  if (args.text === "")
    refuse(
      args,
      `${keyword} requires arguments`,
      `Write what ${keyword} needs after it, or remove the line.`,
    );
}

function withoutNull(piece: Written): string {
  const at = piece.text.indexOf("\0");
  if (at !== -1)
    refuse(piece, "the command has a null character", "Remove it: no program can receive it.", at);
  return piece.text;
}
