import type { Command } from "commander";
import { complete } from "../completion/complete.ts";
import type { Candidate, NameKind } from "../completion/complete.ts";
import { completionScripts } from "../completion/scripts.ts";
import type { Shell } from "../completion/scripts.ts";
import { Context } from "../context.ts";
import type { Setup, Terminal } from "../context.ts";
import { escapeText } from "../output/escape-text.ts";

/** How long a shell waits for names from a server. */
const WAIT_MS = 2000;
/** Names that are offered at most. */
const MOST = 200;
/** What no shell takes for anything but a word. */
const PLAIN = /^[\w.:@/=+-]+$/;

/** Prints the script that completes commands in a shell. */
export function script({ terminal }: { readonly terminal: Terminal }, shell: Shell): void {
  terminal.stdout.write(completionScripts[shell]);
}

/** Answers a shell: the words that fit. A server that cannot be asked has no names. */
export async function answer(
  root: Command,
  terminal: Terminal,
  setup: Setup,
  words: readonly string[],
): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("the server takes too long")), WAIT_MS);
  const names = async (kind: NameKind, profile: string | undefined): Promise<readonly Candidate[]> => {
    const context = new Context(terminal, setup, profile === undefined ? {} : { profile }, late);
    try {
      return await namesOf(context, kind);
    } catch {
      return [];
    }
  };
  const { candidates, takesFiles } = await complete(root, words, names);
  clearTimeout(timer);
  const lines = candidates
    .filter(({ value }) => PLAIN.test(value))
    .map(({ value, text }) => `${value}\t${escapeText(text)}\n`);
  terminal.stdout.write(lines.join("") + (takesFiles ? ":file\t\n" : ""));
}

async function namesOf(context: Context, kind: NameKind): Promise<readonly Candidate[]> {
  if (kind === "profile") {
    const { profiles } = await context.profiles.read();
    return Object.entries(profiles).map(([value, { url }]) => ({ value, text: url }));
  }
  const wrenn = await context.wrenn();
  const found: Candidate[] = [];
  const { signal } = context;
  if (kind === "template")
    for await (const { reference, type } of wrenn.templates.list({ limit: MOST, signal }))
      found.push({ value: reference, text: type });
  else
    for await (const { id, name, lastInfo } of wrenn.capsules.list({ limit: MOST, signal })) {
      const text = `${lastInfo.status}, ${lastInfo.template}`;
      if (name !== undefined) found.push({ value: name, text });
      found.push({ value: id, text });
    }
  return found;
}
