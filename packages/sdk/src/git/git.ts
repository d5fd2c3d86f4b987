import { isWrennError } from "../errors/wrenn-error.ts";
import { invalidOption } from "../transport/options.ts";
import { credentialHelper, withoutPassword } from "./git-credentials.ts";
import type { CredentialHelper } from "./git-credentials.ts";
import { BRANCH_FORMAT, LOG_FORMAT, parseBranches, parseLog, parseRemotes } from "./git-lists.ts";
import type { GitBranch, GitCommit, GitRemote } from "./git-lists.ts";
import type {
  GitBranchOptions,
  GitCloneOptions,
  GitCommands,
  GitCommitOptions,
  GitConfigOptions,
  GitInitOptions,
  GitLogOptions,
  GitOptions,
  GitPerson,
  GitPullOptions,
  GitPushOptions,
  GitRemoteOptions,
  GitResetOptions,
  GitRestoreOptions,
} from "./git-options.ts";
import { parseStatus } from "./git-status.ts";
import type { GitStatus } from "./git-status.ts";
import { readGit, requireName, runGit } from "./run-git.ts";

/**
 * Git in a capsule: runs its `git`, without a shell and without prompts. Every call throws `git_failed`, whose details have
 * `exitCode` and `stderr`; those that reach a remote repository also `git_authentication_failed`.
 *
 * @example
 * ```ts
 * const { git } = capsule;
 * await git.init({ directory: "/root/project" });
 * const cwd = "/root/project";
 * await capsule.files.write("/root/project/notes.txt", "hello");
 * await git.add("notes.txt", { cwd });
 * await git.commit("Add notes", { cwd, author: { name: "Ada", email: "ada@example.com" } });
 * console.log((await git.status({ cwd })).isClean); // → true
 * ```
 */
export class Git {
  readonly #commands: GitCommands;

  constructor(commands: GitCommands) {
    this.#commands = commands;
  }

  /**
   * Clones a repository. A password in its address is used as `credentials`: the address in the clone has none.
   *
   * @throws WrennError `invalid_option` for credentials of an address that is not http or https.
   */
  async clone(url: string, options: GitCloneOptions = {}): Promise<void> {
    const name = "git.clone";
    const { directory, branch, depth, ...rest } = options;
    requireName(name, "url", url);
    requireName(name, "branch", branch);
    const clean = withoutPassword(url);
    const credentials = rest.credentials ?? clean.credentials;
    const helper = credentials && credentialHelper(name, clean.url, credentials);
    const known = ["directory", "branch", "depth", "credentials"];
    await runGit(this.#commands, { name, options: rest, known, helper }, [
      "clone",
      ...flag(branch !== undefined, `--branch=${branch}`),
      ...flag(depth !== undefined, `--depth=${depth}`),
      "--",
      clean.url,
      ...flag(directory !== undefined, directory ?? ""),
    ]);
  }

  /** Makes a repository. One that exists stays as it is. */
  async init({ directory, branch = "main", bare = false, ...options }: GitInitOptions = {}): Promise<void> {
    const name = "git.init";
    requireName(name, "branch", branch);
    await runGit(this.#commands, { name, options, known: ["directory", "branch", "bare"] }, [
      "init",
      `--initial-branch=${branch}`,
      ...flag(bare, "--bare"),
      "--",
      ...flag(directory !== undefined, directory ?? ""),
    ]);
  }

  /** Takes changes of files into the index. @param paths - with git's patterns; `.` is all of the directory. */
  async add(paths: string | readonly string[], options: GitOptions = {}): Promise<void> {
    const name = "git.add";
    await runGit(this.#commands, { name, options }, ["add", "--", ...pathsOf(name, paths)]);
  }

  /** Makes a commit of the index: its id. @throws WrennError `git_failed`, also when there is nothing to commit. */
  async commit(message: string, options: GitCommitOptions = {}): Promise<string> {
    const name = "git.commit";
    const { all = false, allowEmpty = false, amend = false, author, ...rest } = options;
    const known = ["all", "allowEmpty", "amend", "author"];
    const person = author && {
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_COMMITTER_NAME: author.name,
      GIT_COMMITTER_EMAIL: author.email,
    };
    const own = { ...rest, ...(person ? { envs: { ...person, ...rest.envs } } : {}) };
    await runGit(this.#commands, { name, options: own, known }, [
      "commit",
      `--message=${message}`,
      ...flag(all, "--all"),
      ...flag(allowEmpty, "--allow-empty"),
      ...flag(amend, "--amend"),
      // Of an amended commit, only this changes the author.
      ...flag(amend && author !== undefined, `--author=${author?.name} <${author?.email}>`),
    ]);
    return (await readGit(this.#commands, { name, options: rest }, ["rev-parse", "HEAD"])).trim();
  }

  /** Pushes a branch to the one of the same name. @throws WrennError `git_failed`, also for commits that the remote branch lacks here. */
  async push(options: GitPushOptions = {}): Promise<void> {
    const name = "git.push";
    const {
      remote = "origin",
      branch = "HEAD",
      setUpstream = false,
      force = false,
      tags = false,
      ...rest
    } = options;
    requireName(name, "remote", remote);
    requireName(name, "branch", branch);
    const known = ["remote", "branch", "setUpstream", "force", "tags", "credentials"];
    const helper = await this.#helper(name, rest, ["remote", "get-url", "--push", "--", remote]);
    await runGit(this.#commands, { name, options: rest, known, helper }, [
      "push",
      ...flag(setUpstream, "--set-upstream"),
      ...flag(force, "--force"),
      ...flag(tags, "--tags"),
      "--",
      remote,
      branch,
    ]);
  }

  /** Fetches the upstream branch and joins it with the current one. */
  async pull({ remote, branch, diverged, ...options }: GitPullOptions = {}): Promise<void> {
    const name = "git.pull";
    requireName(name, "remote", remote);
    requireName(name, "branch", branch);
    const from = remote ?? (branch === undefined ? undefined : "origin");
    const source = flag(from !== undefined, from ?? "");
    const known = ["remote", "branch", "diverged", "credentials"];
    const helper = await this.#helper(name, options, ["ls-remote", "--get-url", ...source]);
    await runGit(this.#commands, { name, options, known, helper }, [
      "pull",
      ...joining(name, diverged),
      "--",
      ...source,
      ...flag(branch !== undefined, branch ?? ""),
    ]);
  }

  /** The branch, how it stands to its upstream, and the files that differ. */
  async status(options: GitOptions = {}): Promise<GitStatus> {
    const args = ["status", "--porcelain=v2", "--branch", "--untracked-files=normal", "-z"];
    return parseStatus(await readGit(this.#commands, { name: "git.status", options }, args));
  }

  /** Local branches, and with `remote` those of remotes as they were last fetched. */
  async branches({ remote = false, ...options }: GitOptions & { readonly remote?: boolean } = {}): Promise<
    readonly GitBranch[]
  > {
    const call = { name: "git.branches", options, known: ["remote"] };
    const args = ["for-each-ref", `--format=${BRANCH_FORMAT}`, "refs/heads", ...flag(remote, "refs/remotes")];
    return parseBranches(await readGit(this.#commands, call, args));
  }

  /** Makes a branch. @throws WrennError `git_failed`, also when it exists. */
  async createBranch(branch: string, options: GitBranchOptions = {}): Promise<void> {
    const name = "git.createBranch";
    const { from, checkout = false, ...rest } = options;
    requireName(name, "branch", branch);
    requireName(name, "from", from);
    const args = [branch, ...flag(from !== undefined, from ?? "")];
    await runGit(
      this.#commands,
      { name, options: rest, known: ["from", "checkout"] },
      checkout ? ["checkout", "-b", ...args, "--"] : ["branch", "--", ...args],
    );
  }

  /** Switches to a branch, also one that only a remote has, or to a commit. */
  async checkout(ref: string, options: GitOptions = {}): Promise<void> {
    const name = "git.checkout";
    requireName(name, "ref", ref);
    await runGit(this.#commands, { name, options }, ["checkout", ref, "--"]);
  }

  /** Deletes a branch; with `force` also one whose commits no other one has. */
  async deleteBranch(
    branch: string,
    { force = false, ...options }: GitOptions & { readonly force?: boolean } = {},
  ): Promise<void> {
    const name = "git.deleteBranch";
    requireName(name, "branch", branch);
    const args = ["branch", force ? "-D" : "-d", "--", branch];
    await runGit(this.#commands, { name, options, known: ["force"] }, args);
  }

  /**
   * Adds a remote repository.
   *
   * @throws WrennError `git_failed` for a name that exists; `invalid_option` for an address with a password, which would be stored.
   */
  async remoteAdd(remote: string, url: string, options: GitOptions = {}): Promise<void> {
    const name = "git.remoteAdd";
    requireName(name, "remote", remote);
    requireName(name, "url", url);
    if (withoutPassword(url).credentials)
      throw invalidOption(
        name,
        "url",
        "must not have a password: pass credentials to the calls that need them",
      );
    await runGit(this.#commands, { name, options }, ["remote", "add", "--", remote, url]);
  }

  /** The remote repositories, with their addresses. */
  async remotes(options: GitOptions = {}): Promise<readonly GitRemote[]> {
    const call = { name: "git.remotes", options, accept: [1] };
    const args = ["config", "--null", "--get-regexp", String.raw`^remote\..*\.(url|pushurl)$`];
    return parseRemotes(await readGit(this.#commands, call, args));
  }

  /** Moves the current branch to a commit. */
  async reset({ ref = "HEAD", mode = "mixed", ...options }: GitResetOptions = {}): Promise<void> {
    const name = "git.reset";
    requireName(name, "ref", ref);
    if (!["soft", "mixed", "hard"].includes(mode))
      throw invalidOption(name, "mode", `must be soft, mixed or hard, not '${mode}'`);
    await runGit(this.#commands, { name, options, known: ["ref", "mode"] }, [
      "reset",
      `--${mode}`,
      ref,
      "--",
    ]);
  }

  /** Gives files, or what the index has of them, the content that they had. */
  async restore(paths: string | readonly string[], options: GitRestoreOptions = {}): Promise<void> {
    const name = "git.restore";
    const { staged = false, worktree = !staged, source, ...rest } = options;
    requireName(name, "source", source);
    await runGit(this.#commands, { name, options: rest, known: ["staged", "worktree", "source"] }, [
      "restore",
      ...flag(staged, "--staged"),
      ...flag(worktree, "--worktree"),
      ...flag(source !== undefined, `--source=${source}`),
      "--",
      ...pathsOf(name, paths),
    ]);
  }

  /** Commits, the newest first; none before the first commit. */
  async log({ ref, limit = 100, paths = [], ...options }: GitLogOptions = {}): Promise<readonly GitCommit[]> {
    const name = "git.log";
    requireName(name, "ref", ref);
    const revision = flag(ref !== undefined, ref ?? "");
    const args = ["log", "-z", LOG_FORMAT, `--max-count=${limit}`, ...revision, "--", ...paths];
    try {
      return parseLog(
        await readGit(this.#commands, { name, options, known: ["ref", "limit", "paths"] }, args),
      );
    } catch (error) {
      if (isWrennError(error, "git_failed") && /does not have any commits yet/.test(error.message)) return [];
      throw error;
    }
  }

  /** The last value of a setting; undefined where there is none. */
  async getConfig(key: string, { scope, ...options }: GitConfigOptions = {}): Promise<string | undefined> {
    const name = "git.getConfig";
    requireName(name, "key", key);
    const call = { name, options, known: ["scope"], accept: [1] };
    const args = ["config", "--null", ...scopeOf(name, scope), "--get", key];
    const value = await readGit(this.#commands, call, args);
    return value === "" ? undefined : value.slice(0, value.indexOf("\0"));
  }

  /** Sets a value of git's configuration. */
  async setConfig(key: string, value: string, options: GitConfigOptions = {}): Promise<void> {
    const name = "git.setConfig";
    const { scope = "local", ...rest } = options;
    requireName(name, "key", key);
    const args = ["config", ...scopeOf(name, scope), "--", key, value];
    await runGit(this.#commands, { name, options: rest, known: ["scope"] }, args);
  }

  /** Sets name and address of commits, by default for all repositories of the user. */
  async configureUser({ name, email }: GitPerson, options: GitConfigOptions = {}): Promise<void> {
    const scoped = { ...options, scope: options.scope ?? "global" };
    await this.setConfig("user.name", name, scoped);
    await this.setConfig("user.email", email, scoped);
  }

  /** Gives credentials to the server of the address that git itself finds for a remote. */
  async #helper(
    name: string,
    { credentials, ...options }: GitRemoteOptions,
    addressArgs: readonly string[],
  ): Promise<CredentialHelper | undefined> {
    if (!credentials) return undefined;
    const remote = addressArgs.at(-1) ?? "";
    const address = /^https?:/i.test(remote)
      ? remote
      : (await readGit(this.#commands, { name, options }, addressArgs)).split("\n")[0];
    return credentialHelper(name, address ?? "", credentials);
  }
}

function flag(isSet: boolean, text: string): readonly string[] {
  return isSet ? [text] : [];
}

/** @throws WrennError `invalid_option` without a path. */
function pathsOf(call: string, paths: string | readonly string[]): readonly string[] {
  const list = typeof paths === "string" ? [paths] : paths;
  if (list.length === 0) throw invalidOption(call, "paths", "must name a path");
  return list;
}

function joining(call: string, diverged: GitPullOptions["diverged"]): readonly string[] {
  if (diverged === undefined) return ["--ff-only"];
  if (diverged === "rebase") return ["--rebase"];
  if (diverged === "merge") return ["--no-rebase", "--no-edit"];
  throw invalidOption(call, "diverged", `must be merge or rebase, not '${String(diverged)}'`);
}

function scopeOf(call: string, scope: GitConfigOptions["scope"]): readonly string[] {
  if (scope === undefined) return [];
  if (!["local", "global", "system"].includes(scope))
    throw invalidOption(call, "scope", `must be local, global or system, not '${scope}'`);
  return [`--${scope}`];
}
