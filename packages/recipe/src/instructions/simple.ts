import { checkFlags, splitFlags } from "../syntax/flags.ts";
import { parseJsonForm } from "../syntax/json-form.ts";
import { quote, refuse } from "../syntax/refusal.ts";
import { allWords, splitBlanks } from "../syntax/words.ts";
import { parseCommand, requireArguments } from "./command.ts";
import type { InstructionBody, RawInstruction } from "./instruction.ts";

/** FROM base [AS name]. The name is of no use in a recipe of one stage, and does no harm. */
export function parseFrom({ args }: RawInstruction): InstructionBody {
  const { flags, rest } = splitFlags(args);
  checkFlags(flags, {
    keyword: "FROM",
    allowed: [],
    refused: { platform: "Templates have the architecture of their hosts. Remove the flag." },
  });
  requireArguments(rest, "FROM");
  const [base, as, name, more] = splitBlanks(rest);
  if (base === undefined) return refuse(rest, "FROM names no base", "Write FROM and the name of a template.");
  if (as !== undefined && (as.text.toUpperCase() !== "AS" || name === undefined || more !== undefined))
    refuse(as, "FROM has too many arguments", "Write FROM and the name of a template.");
  return { kind: "FROM", base };
}

/** START command: it goes on running while later steps run. */
export function parseStart({ args }: RawInstruction): InstructionBody {
  return { kind: "START", command: parseCommand(args, "START") };
}

/** CMD, as a command or as arguments of ENTRYPOINT. */
export function parseCmd({ args }: RawInstruction): InstructionBody {
  return { kind: "CMD", command: parseCommand(args, "CMD", true) };
}

/** ENTRYPOINT, the command that CMD's words are appended to. */
export function parseEntrypoint({ args }: RawInstruction): InstructionBody {
  const command = parseCommand(args, "ENTRYPOINT", true);
  if (command.form === "exec" && command.argv[0] === "")
    refuse(args, "ENTRYPOINT names no program", 'Write ENTRYPOINT ["program", "argument"].');
  return { kind: "ENTRYPOINT", command };
}

/** WORKDIR path: the rest of the line, with its blanks. */
export function parseWorkdir({ args }: RawInstruction): InstructionBody {
  requireArguments(args, "WORKDIR");
  return { kind: "WORKDIR", path: args };
}

/** USER name, id, or name:group. */
export function parseUser({ args }: RawInstruction): InstructionBody {
  requireArguments(args, "USER");
  return { kind: "USER", user: args };
}

/** SHELL ["program", "argument"]. */
export function parseShell({ args }: RawInstruction): InstructionBody {
  requireArguments(args, "SHELL");
  const argv = parseJsonForm(args);
  if (argv === undefined || argv.length === 0 || argv[0] === "")
    return refuse(args, "SHELL needs a JSON array of words", 'Write SHELL ["/bin/bash", "-c"].');
  return { kind: "SHELL", argv };
}

/** EXPOSE port… */
export function parseExpose({ args }: RawInstruction): InstructionBody {
  requireArguments(args, "EXPOSE");
  return { kind: "EXPOSE", ports: allWords(splitBlanks(args)) };
}

/** STOPSIGNAL signal. */
export function parseStopsignal({ args }: RawInstruction): InstructionBody {
  requireArguments(args, "STOPSIGNAL");
  const [signal = args, more] = splitBlanks(args);
  if (more !== undefined)
    refuse(more, `STOPSIGNAL has one argument, and ${quote(more.text)} is another`, "Name one signal.");
  return { kind: "STOPSIGNAL", signal };
}
