import type { Capsule } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { Exit } from "../errors/report-failure.ts";
import { commandOf } from "../programs/program-options.ts";
import type { ProgramOptions } from "../programs/program-options.ts";
import { openTerminal, requireTerminal } from "../programs/open-terminal.ts";
import { streamProgram } from "../programs/stream-program.ts";
import { leftCode } from "../terminal/join-terminal.ts";

export interface ExecOptions extends ProgramOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly detach?: boolean;
  readonly detachKeys?: string;
  readonly json?: boolean;
}

/** Runs a program in a capsule, with our streams, in a terminal, or in the background. */
export async function exec(
  context: Context,
  reference: string,
  words: readonly string[],
  options: ExecOptions,
): Promise<void> {
  const { interactive = false, tty = false, detach = false } = options;
  if (detach && (interactive || tty)) throw contradiction("-d", interactive ? "-i" : "-t");
  if (tty) return await execInTerminal(context, reference, words, options);
  const capsule = await context.capsule(reference);
  if (detach) return await start(context, capsule, words, options);
  const code = await streamProgram(context, capsule, {
    words,
    options,
    hasInput: interactive,
    onLeave: ({ pid, tag }) => {
      context.output.note(`wrenn: left process ${pid}, which may run on`);
      context.output.note(`       Follow it with \`wrenn attach ${capsule.id} ${tag}\`.`);
    },
  });
  if (code !== 0) throw new Exit(code);
}

/** `-t` alone shows a terminal, and `-it` is one. */
async function execInTerminal(
  context: Context,
  reference: string,
  words: readonly string[],
  options: ExecOptions,
): Promise<void> {
  for (const option of ["tag", "timeout", "json"] as const)
    if (options[option] !== undefined) throw notInTerminals(`--${option}`);
  const { interactive: hasInput = false } = options;
  if (hasInput) requireTerminal(context, "wrenn exec -i");
  const capsule = await context.capsule(reference);
  const { exitCode, signal } = await openTerminal(context, capsule, words, { ...options, hasInput });
  const code = exitCode ?? leftCode(signal);
  if (code !== 0) throw new Exit(code);
}

async function start(
  { output, signal }: Context,
  capsule: Capsule,
  words: readonly string[],
  options: ProgramOptions,
): Promise<void> {
  const { cmd, args } = commandOf(words);
  const { env: envs, cwd, user, timeout: timeoutMs, tag } = options;
  const settings = { args, envs, cwd, user, timeoutMs, tag, signal };
  const handle = await capsule.commands.run(cmd, { ...settings, background: true, output: "detached" });
  handle.detach();
  output.data({ pid: handle.pid, tag: handle.tag }, () => `${handle.pid} ${handle.tag}\n`);
}

function notInTerminals(option: string): ClientError {
  return new ClientError(
    "usage",
    "options_conflict",
    `${option} and -t exclude each other`,
    `Leave out ${option} or -t.`,
  );
}

function contradiction(one: string, other: string): ClientError {
  return new ClientError(
    "usage",
    "options_conflict",
    `${one} and ${other} exclude each other: a program in the background has no input and no terminal`,
    `Leave out ${one} or ${other}.`,
  );
}
