import { expand } from "../expansion/expand.ts";
import { MAX_ENVIRONMENT_LENGTH } from "../syntax/limits.ts";
import { refuse } from "../syntax/refusal.ts";
import type { Written } from "../syntax/written.ts";
import type { ParsedRecipe } from "../recipe.ts";

/** The variables of ENV and ARG at the place of a recipe that was reached. */
export class PlanVariables {
  readonly #recipe: ParsedRecipe;
  readonly #given: ReadonlyMap<string, string>;
  readonly #env: Map<string, string>;
  readonly #args = new Map<string, string>();
  /** Arguments from before FROM: they hold in FROM, and where they are declared again. */
  readonly #global = new Map<string, string>();
  readonly #declared = new Set<string>();
  #login: ReadonlyMap<string, string> = new Map();
  /** Characters of all that was set. */
  #length = 0;

  constructor(
    recipe: ParsedRecipe,
    {
      env,
      args,
    }: { readonly env: Readonly<Record<string, string>>; readonly args: Readonly<Record<string, string>> },
  ) {
    this.#recipe = recipe;
    this.#env = new Map(Object.entries(env));
    this.#given = new Map(Object.entries(args));
  }

  get env(): Readonly<Record<string, string>> {
    return sorted(this.#env);
  }

  /** What processes of a step have. ENV takes precedence over ARG. */
  get environment(): Readonly<Record<string, string>> {
    return sorted(new Map([...this.#args, ...this.#env]));
  }

  /** Who is the user from here on, and where: what a log-in says of that is known to the recipe, unless it sets it itself. */
  logIn(user: string, cwd: string): void {
    const [name = ""] = user.split(":");
    const home = homeOf(user);
    this.#login = new Map([
      ["USER", name],
      ["LOGNAME", name],
      ["PWD", cwd],
      ...(home === undefined ? [] : [["HOME", home] as const]),
    ]);
  }

  get unusedArgs(): readonly string[] {
    return [...this.#given.keys()].filter((name) => !this.#declared.has(name)).sort();
  }

  /** Expands an argument of an instruction. Recipes of lines have no variables there. */
  words(written: Written): string {
    if (this.#recipe.dialect === "lines") return written.text;
    return expand(written, this.#lookup, { escape: this.#recipe.escape, quotes: "words" });
  }

  /** Expands what FROM names: only arguments from before it are known there. */
  base(written: Written): string {
    const lookup = (name: string): string | undefined => this.#global.get(name);
    return expand(written, lookup, { escape: this.#recipe.escape, quotes: "words" });
  }

  /** Expands the contents of a file that stands in the recipe. */
  text(written: Written): string {
    return expand(written, this.#lookup, { escape: this.#recipe.escape, quotes: "text" });
  }

  /** ENV: all values of one instruction see the variables from before it. */
  setEnv(pairs: readonly { readonly name: Written; readonly value: Written | undefined }[]): void {
    const quotes = this.#recipe.dialect === "lines" ? "plain" : "words";
    const options = { escape: this.#recipe.escape, quotes } as const;
    const values = pairs.map(({ name, value }) => ({
      name,
      value: value === undefined ? "" : expand(value, this.#lookup, options),
    }));
    for (const { name, value } of values) {
      if (value.includes("\0"))
        refuse(name, "the value has a null character", "Remove it: no variable can have it.");
      this.#set(this.#env, name, value);
    }
  }

  /** ARG: what is given with the build, else the default, else what an ARG before FROM had. */
  declareArg(
    { name, value }: { readonly name: Written; readonly value: Written | undefined },
    isGlobal: boolean,
  ): void {
    this.#declared.add(name.text);
    const known = isGlobal ? this.#global : this.#args;
    const lookup = isGlobal ? (one: string): string | undefined => this.#global.get(one) : this.#lookup;
    const options = { escape: this.#recipe.escape, quotes: "words" } as const;
    const chosen =
      this.#given.get(name.text) ??
      (value === undefined ? this.#global.get(name.text) : expand(value, lookup, options));
    if (chosen === undefined) return;
    if (chosen.includes("\0"))
      refuse(name, "the value has a null character", "Remove it: no variable can have it.");
    this.#set(known, name, chosen);
  }

  readonly #lookup = (name: string): string | undefined =>
    this.#env.get(name) ?? this.#args.get(name) ?? this.#login.get(name);

  #set(variables: Map<string, string>, name: Written, value: string): void {
    this.#length += value.length - (variables.get(name.text)?.length ?? -name.text.length - 2);
    if (this.#length > MAX_ENVIRONMENT_LENGTH)
      refuse(
        name,
        `the environment exceeds ${MAX_ENVIRONMENT_LENGTH} characters`,
        "Put long values into files of the context, and COPY them.",
      );
    variables.set(name.text, value);
  }
}

/** The home of a user that a step makes, and of root; that of another id is not known. */
export function homeOf(user: string): string | undefined {
  const [name = ""] = user.split(":");
  if (name === "root" || name === "0") return "/root";
  return /^\d/.test(name) ? undefined : `/home/${name}`;
}

function sorted(variables: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  return Object.fromEntries([...variables].sort(([one], [other]) => (one < other ? -1 : 1)));
}
