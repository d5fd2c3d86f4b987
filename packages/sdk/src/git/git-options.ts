/** How git is run in a capsule: what `capsule.commands` does. */
export interface GitCommands {
  readonly run: (
    cmd: string,
    options: {
      readonly args: readonly string[];
      readonly envs: Readonly<Record<string, string>>;
      readonly cwd?: string | undefined;
      readonly user?: string | undefined;
      readonly timeoutMs?: number | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ) => Promise<GitOutput>;
}

/** What a run of git gave. */
export interface GitOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  /** Bytes that are left out of `stdout`. */
  readonly truncatedBytes?: { readonly stdout: number };
}

/** Options of every call. */
export interface GitOptions {
  /** Directory in which git runs: the repository. Default: that of the capsule's commands. */
  readonly cwd?: string | undefined;
  /** User as whom git runs. Default: that of the capsule's commands. */
  readonly user?: string | undefined;
  /** Further variables of the environment. */
  readonly envs?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds after which git is ended and the call fails with `command_timed_out`. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Ends git, and the call with the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

/** For a remote repository by http or https. */
export interface GitCredentials {
  /** Most services take any name with a token. Default: `git`. */
  readonly username?: string | undefined;
  /** Password or access token. */
  readonly password: string;
}

/** Options of calls that reach a remote repository. */
export interface GitRemoteOptions extends GitOptions {
  /**
   * Given to git for this call, and only to the server of the repository: they are in no argument, address, file or log of the
   * capsule. While the call runs they are in the environment of its processes.
   */
  readonly credentials?: GitCredentials | undefined;
}

export interface GitCloneOptions extends GitRemoteOptions {
  /** Where the repository is made. Default: the name of the remote one, below `cwd`. */
  readonly directory?: string | undefined;
  /** Branch or tag to check out. Default: that of the remote repository. */
  readonly branch?: string | undefined;
  /** Commits of history that are fetched. Default: all. */
  readonly depth?: number | undefined;
}

export interface GitInitOptions extends GitOptions {
  /** Default: `cwd`. */
  readonly directory?: string | undefined;
  /** Default: `main`. */
  readonly branch?: string | undefined;
  /** A repository without working tree. Default: false. */
  readonly bare?: boolean | undefined;
}

export interface GitCommitOptions extends GitOptions {
  /** Takes changed and deleted files that git knows, as `git commit --all`. Default: false. */
  readonly all?: boolean | undefined;
  /** Default: false. */
  readonly allowEmpty?: boolean | undefined;
  /** Replaces the last commit. Default: false. */
  readonly amend?: boolean | undefined;
  /** Author and committer. Default: what {@link Git.configureUser} set. */
  readonly author?: GitPerson | undefined;
}

export interface GitPerson {
  readonly name: string;
  readonly email: string;
}

export interface GitPushOptions extends GitRemoteOptions {
  /** Default: `origin`. */
  readonly remote?: string | undefined;
  /** Default: the current branch. */
  readonly branch?: string | undefined;
  /** Makes the remote branch the upstream of the local one. Default: false. */
  readonly setUpstream?: boolean | undefined;
  /** Overwrites commits of the remote branch. Default: false. */
  readonly force?: boolean | undefined;
  /** Pushes all tags. Default: false. */
  readonly tags?: boolean | undefined;
}

export interface GitPullOptions extends GitRemoteOptions {
  /** Default: the remote of the upstream, else `origin`. */
  readonly remote?: string | undefined;
  /** Default: the upstream of the current branch. */
  readonly branch?: string | undefined;
  /** How local commits are joined with those of the remote branch when both have some. Default: the pull then fails. */
  readonly diverged?: "merge" | "rebase" | undefined;
}

export interface GitBranchOptions extends GitOptions {
  /** Branch or commit at which the branch begins. Default: the current commit. */
  readonly from?: string | undefined;
  /** Checks the branch out. Default: false. */
  readonly checkout?: boolean | undefined;
}

export interface GitResetOptions extends GitOptions {
  /** Default: `HEAD`. */
  readonly ref?: string | undefined;
  /** `soft` keeps index and files, `mixed` the files, `hard` nothing. Default: `mixed`. */
  readonly mode?: "soft" | "mixed" | "hard" | undefined;
}

export interface GitRestoreOptions extends GitOptions {
  /** Restores the index, that is, takes back {@link Git.add}. Default: false. */
  readonly staged?: boolean | undefined;
  /** Restores the files. Default: the opposite of `staged`. */
  readonly worktree?: boolean | undefined;
  /** Branch or commit to restore from. Default: the index, or `HEAD` with `staged`. */
  readonly source?: string | undefined;
}

export interface GitLogOptions extends GitOptions {
  /** Default: `HEAD`. */
  readonly ref?: string | undefined;
  /** Most commits that are listed, the newest first. Default: 100. */
  readonly limit?: number | undefined;
  /** Only commits that changed these paths. */
  readonly paths?: readonly string[] | undefined;
}

export interface GitConfigOptions extends GitOptions {
  /** Which file. Default: `local` to write, all of them to read. */
  readonly scope?: "local" | "global" | "system" | undefined;
}
