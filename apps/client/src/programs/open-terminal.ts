import type { Capsule } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { detachKeys } from "../terminal/detach-keys.ts";
import type { DetachKeys } from "../terminal/detach-keys.ts";
import { joinTerminal } from "../terminal/join-terminal.ts";
import type { JoinOptions, TerminalOutcome } from "../terminal/join-terminal.ts";
import type { ProgramOptions } from "./program-options.ts";

export interface TerminalOptions extends Pick<ProgramOptions, "env" | "cwd" | "user"> {
  readonly detachKeys?: string;
  /** False: the terminal is only shown. Default: true. */
  readonly hasInput?: boolean;
}

/** @throws ClientError `no_terminal` where the user has none. */
export function requireTerminal({ terminal: { stdin } }: Context, instead: string): void {
  if (!stdin.isTTY)
    throw new ClientError(
      "usage",
      "no_terminal",
      "standard input is not a terminal",
      `Use \`${instead} CAPSULE -- PROGRAM\`, which takes pipes and files.`,
    );
}

/** Opens a terminal in a capsule with the user's, until its program ends or the user leaves it. */
export async function openTerminal(
  context: Context,
  capsule: Capsule,
  words: readonly string[],
  options: TerminalOptions,
): Promise<TerminalOutcome> {
  const [cmd, ...args] = words;
  const { env: envs, cwd, user } = options;
  const program = { ...(cmd === undefined ? {} : { cmd, args }), envs, cwd, user, signal: context.signal };
  return await useTerminal(context, capsule, {
    open: async (opened) => await capsule.pty.start({ ...program, ...opened }),
    detachKeys: await keysOf(context, options),
    hasInput: options.hasInput ?? true,
  });
}

/** Joins the user's terminal to one of a capsule, and says how to come back where the program runs on. */
export async function useTerminal(
  context: Context,
  capsule: Capsule,
  options: JoinOptions,
): Promise<TerminalOutcome> {
  const outcome = await joinTerminal(context, options);
  if (outcome.exitCode === undefined) {
    context.output.note("\nwrenn: left the terminal, which runs on");
    context.output.note(`       Join it again with \`wrenn attach ${capsule.id} ${outcome.terminal.tag}\`.`);
  }
  return outcome;
}

/**
 * Those of `--detach-keys`, WRENN_DETACH_KEYS or the profile, in this order, or the default ones. The profile is that of the connection.
 * A connection of variables has none: then it is the profile that is named, or the current one.
 *
 * @throws ClientError `detach_keys_invalid`.
 */
export async function keysOf(
  context: Context,
  { detachKeys: named }: Pick<TerminalOptions, "detachKeys">,
): Promise<DetachKeys | undefined> {
  const text = named ?? (context.terminal.env["WRENN_DETACH_KEYS"] || undefined);
  if (text !== undefined) return detachKeys(text);
  const profile = (await context.connection()).profile ?? (await context.profileName());
  return detachKeys((await context.profiles.read()).profiles[profile]?.detachKeys);
}
