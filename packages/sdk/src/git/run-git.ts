import { WrennError } from "../errors/wrenn-error.ts";
import { invalidOption, present, requireKnownOptions } from "../transport/options.ts";
import type { CredentialHelper } from "./git-credentials.ts";
import type { GitCommands, GitOptions, GitOutput } from "./git-options.ts";

const COMMON = ["cwd", "user", "envs", "timeoutMs", "signal"];

/** No prompts, and messages in the language that {@link AUTHENTICATION} knows. */
const ENVS = { GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" };

/** What git and servers print when they refuse credentials, or lack them. */
const AUTHENTICATION =
  /authentication failed|could not read (?:username|password)|terminal prompts disabled|permission denied \(|returned error: 40[13]|access denied|invalid credentials|host key verification failed/i;

/** One call of the public surface. */
export interface GitCall {
  /** Such as `git.clone`. */
  readonly name: string;
  readonly options: GitOptions;
  /** Names of options beside those of every call. */
  readonly known?: readonly string[];
  readonly helper?: CredentialHelper | undefined;
  /** Exit codes that are no failure. Default: only 0. */
  readonly accept?: readonly number[];
}

/**
 * Runs git with these arguments, without a shell.
 *
 * @throws WrennError `git_failed`, `git_authentication_failed`, `unknown_option`; what running commands throws.
 */
export async function runGit(
  commands: GitCommands,
  { name, options, known = [], helper, accept = [] }: GitCall,
  args: readonly string[],
): Promise<GitOutput> {
  requireKnownOptions(name, options, [...known, ...COMMON]);
  const { cwd, user, timeoutMs, signal, envs } = options;
  const output = await commands.run("git", {
    args: [...(helper?.args ?? []), ...args],
    envs: { ...ENVS, ...envs, ...helper?.envs },
    ...present({ cwd, user, timeoutMs, signal }),
  });
  if (output.exitCode !== 0 && !accept.includes(output.exitCode))
    throw gitFailed(`git ${args[0] ?? ""}`, output, helper?.secret);
  return output;
}

/** All of the standard output. @throws WrennError as {@link runGit}, also when it is too long. */
export async function readGit(...run: Parameters<typeof runGit>): Promise<string> {
  const { stdout, truncatedBytes } = await runGit(...run);
  if ((truncatedBytes?.stdout ?? 0) === 0) return stdout;
  throw new WrennError({
    code: "git_failed",
    message: `${run[1].name}: git printed more than can be read`,
    remedy: "Ask for less, or run git by capsule.commands.run.",
  });
}

/** A name that git could take for an option is refused: no branch, remote or commit has such a one. */
export function requireName(call: string, option: string, name: string | undefined): void {
  if (name === undefined) return;
  if (typeof name !== "string" || name === "" || name.startsWith("-"))
    throw invalidOption(call, option, `must be a name that does not begin with '-', not '${name}'`);
}

function gitFailed(
  what: string,
  { stdout, stderr, exitCode }: GitOutput,
  secret: string | undefined,
): WrennError {
  const redact = (text: string): string =>
    secret === undefined || secret === "" ? text : text.replaceAll(secret, "***");
  // Some failures, such as a commit of nothing, are explained on standard output.
  const text = redact(stderr.trim() === "" ? stdout : stderr);
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const reason = lines.find((line) => /^(?:fatal|error):/.test(line)) ?? lines.at(-1) ?? "";
  const isRefused = AUTHENTICATION.test(text);
  return new WrennError({
    code: isRefused ? "git_authentication_failed" : "git_failed",
    message: `${what} exited with ${exitCode}${reason === "" ? "" : `: ${reason}`}`,
    remedy: isRefused ? "Pass credentials that may use the repository." : "See details.stderr.",
    details: { exitCode, stderr: redact(stderr), stdout: redact(stdout) },
  });
}
