import { suggest } from "./suggest.ts";
import { quote, refuse } from "./refusal.ts";
import type { Written } from "./written.ts";

/** `--name=value` at the begin of an instruction's arguments. */
export interface RecipeFlag {
  readonly name: string;
  /** The whole word. */
  readonly word: Written;
  /** Undefined for `--name` alone. */
  readonly value: Written | undefined;
}

const MAX_FLAGS = 100;
const FLAG = /^--([A-Za-z][A-Za-z-]*)(?:=([\s\S]*))?$/;

/** Separates the flags from what follows them. `--` alone ends them. */
export function splitFlags(args: Written): { readonly flags: readonly RecipeFlag[]; readonly rest: Written } {
  const flags: RecipeFlag[] = [];
  const pattern = /\s*(--\S*)(?=\s|$)/y;
  let end = 0;
  for (;;) {
    pattern.lastIndex = end;
    const match = pattern.exec(args.text);
    if (match === null) break;
    const word = args.slice(pattern.lastIndex - (match[1] ?? "").length, pattern.lastIndex);
    end = pattern.lastIndex;
    if (word.text === "--") break;
    const [, name, value] = FLAG.exec(word.text) ?? [];
    if (name === undefined)
      refuse(word, `${quote(word.text)} is not a flag`, "Flags have the form --name=value.");
    if (flags.length === MAX_FLAGS) refuse(word, `more than ${MAX_FLAGS} flags`, "Write fewer of them.");
    flags.push({
      name,
      word,
      value: value === undefined ? undefined : word.slice(word.text.length - value.length),
    });
  }
  return { flags, rest: args.slice(end).trim() };
}

/** Why known flags of Docker are not available here, by name. */
export type RefusedFlags = Readonly<Record<string, string>>;

/** Refuses every flag that is not among `allowed`, and those that come twice unless they may. */
export function checkFlags(
  flags: readonly RecipeFlag[],
  {
    keyword,
    allowed,
    repeated = [],
    refused = {},
  }: {
    readonly keyword: string;
    readonly allowed: readonly string[];
    readonly repeated?: readonly string[];
    readonly refused?: RefusedFlags;
  },
): void {
  const seen = new Set<string>();
  for (const { name, word } of flags) {
    if (!allowed.includes(name)) {
      const advice = refused[name];
      if (advice !== undefined) refuse(word, `${keyword} --${name} is not supported in recipes`, advice);
      refuse(
        word,
        `${keyword} has no flag --${name}`,
        suggest(
          `--${name}`,
          allowed.map((one) => `--${one}`),
        ),
      );
    }
    if (seen.has(name) && !repeated.includes(name))
      refuse(word, `--${name} is specified twice`, `Remove one --${name}.`);
    seen.add(name);
  }
}

/** The value of a flag that needs one. */
export function flagValue({ word, name, value }: RecipeFlag): Written {
  if (value === undefined || value.text === "")
    refuse(word, `--${name} has no value`, `Write --${name}=VALUE, without blanks around the equals sign.`);
  return value;
}
