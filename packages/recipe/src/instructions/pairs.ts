import { quote, refuse } from "../syntax/refusal.ts";
import { allWords, splitWords } from "../syntax/words.ts";
import type { Written } from "../syntax/written.ts";
import { requireArguments } from "./command.ts";
import type { InstructionBody, RawInstruction, WrittenPair } from "./instruction.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** ENV, with any number of NAME=VALUE or the old form ENV NAME VALUE. */
export function parseEnv({ args, escape }: RawInstruction): InstructionBody {
  const pairs = pairsOf("ENV", args, escape).map(({ name, value }) => {
    requireName(name);
    return { name, value };
  });
  return { kind: "ENV", pairs };
}

/** LABEL, in the forms of ENV. Names are any text. */
export function parseLabel({ args, escape }: RawInstruction): InstructionBody {
  return { kind: "LABEL", pairs: pairsOf("LABEL", args, escape) };
}

/** ARG, with any number of NAME or NAME=DEFAULT. */
export function parseArg({ args, escape }: RawInstruction): InstructionBody {
  requireArguments(args, "ARG");
  const pairs = allWords(splitWords(args, escape)).map((word) => {
    const pair = splitPair(word) ?? { name: word, value: undefined };
    requireName(pair.name);
    return pair;
  });
  return { kind: "ARG", pairs };
}

function pairsOf(keyword: string, args: Written, escape: string): readonly Required<WrittenPair>[] {
  requireArguments(args, keyword);
  const [first] = splitWords(args, escape);
  if (first === undefined) return [];
  const pair = splitPair(first);
  if (pair === undefined) {
    const value = args.slice(first.text.length).trim();
    if (value.text === "")
      refuse(first, `${keyword} ${quote(first.text)} has no value`, `Write ${keyword} NAME=VALUE.`);
    return [{ name: first, value }];
  }
  return allWords(splitWords(args, escape)).map(
    (word) =>
      splitPair(word) ??
      refuse(
        word,
        `${quote(word.text)} is not NAME=VALUE`,
        'Put values with blanks in quotes: NAME="some words".',
      ),
  );
}

function splitPair(word: Written): { readonly name: Written; readonly value: Written } | undefined {
  const equals = word.text.indexOf("=");
  if (equals === -1) return undefined;
  if (equals === 0) refuse(word, "missing name before the equals sign", "Write NAME=VALUE.");
  return { name: word.slice(0, equals), value: word.slice(equals + 1) };
}

function requireName(name: Written): void {
  if (!NAME.test(name.text))
    refuse(
      name,
      `${quote(name.text)} is not the name of a variable`,
      "Names have letters, digits and underscores, and begin with no digit.",
    );
}
