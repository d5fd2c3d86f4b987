import { Argument } from "commander";
import { SHELLS } from "../completion/scripts.ts";
import type { Shell } from "../completion/scripts.ts";
import type { Program } from "./define.ts";

/** Completion of commands in shells. */
export function defineCompletion({ root, terminal, setup }: Program): void {
  root
    .command("completion")
    .description("print the script that completes commands, options and names in a shell")
    .addArgument(new Argument("<shell>", "whose script").choices(SHELLS))
    .action(async (shell: Shell) => (await import("../verbs/completion.ts")).script({ terminal }, shell));
  root
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .action(async (words: readonly string[]) =>
      (await import("../verbs/completion.ts")).answer(root, terminal, setup, words),
    );
}
