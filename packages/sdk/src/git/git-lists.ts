import type { GitPerson } from "./git-options.ts";

export interface GitBranch {
  /** Such as `main`, or `origin/main` of a remote. */
  readonly name: string;
  readonly commit: string;
  readonly isCurrent: boolean;
  readonly isRemote: boolean;
  /** Such as `origin/main`. */
  readonly upstream?: string;
}

export interface GitCommit {
  readonly commit: string;
  readonly parents: readonly string[];
  readonly author: GitPerson;
  readonly authoredAt: Date;
  readonly committer: GitPerson;
  readonly committedAt: Date;
  /** The first line of the message. */
  readonly subject: string;
  /** All of it. */
  readonly message: string;
}

export interface GitRemote {
  readonly name: string;
  readonly fetchUrl: string;
  readonly pushUrl: string;
}

/** Fields end with NUL, which no name holds. */
export const BRANCH_FORMAT = "%(refname)%00%(objectname)%00%(HEAD)%00%(upstream:short)%00%(symref)%00";

/** Reads `git for-each-ref` with {@link BRANCH_FORMAT}. */
export function parseBranches(output: string): readonly GitBranch[] {
  const branches: GitBranch[] = [];
  for (const [ref = "", commit = "", head, upstream = "", target] of recordsOf(output, 5)) {
    // `origin/HEAD` only names another one.
    if (target !== "") continue;
    const isRemote = !ref.trimStart().startsWith("refs/heads/");
    branches.push({
      name: ref.trimStart().replace(/^refs\/(?:heads|remotes)\//, ""),
      commit,
      isCurrent: head === "*",
      isRemote,
      ...(upstream === "" ? {} : { upstream }),
    });
  }
  return branches;
}

export const LOG_FORMAT = "--format=%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%s%x00%B";

/** Reads `git log -z` with {@link LOG_FORMAT}. */
export function parseLog(output: string): readonly GitCommit[] {
  return recordsOf(output, 10).map(
    ([
      commit = "",
      parents = "",
      an = "",
      ae = "",
      ai = "",
      cn = "",
      ce = "",
      ci = "",
      subject = "",
      body = "",
    ]) => ({
      commit,
      parents: parents === "" ? [] : parents.split(" "),
      author: { name: an, email: ae },
      authoredAt: new Date(ai),
      committer: { name: cn, email: ce },
      committedAt: new Date(ci),
      subject,
      message: body.trimEnd(),
    }),
  );
}

/** Reads `git config --null --get-regexp` of the addresses of remotes. */
export function parseRemotes(output: string): readonly GitRemote[] {
  const remotes = new Map<string, { fetchUrl?: string; pushUrl?: string }>();
  for (const record of output.split("\0")) {
    const [, name, kind, url] = /^remote\.([^\n]*)\.(url|pushurl)\n([^]*)$/.exec(record) ?? [];
    if (name === undefined || url === undefined) continue;
    const remote = remotes.get(name) ?? {};
    if (kind === "url") remote.fetchUrl ??= url;
    else remote.pushUrl ??= url;
    remotes.set(name, remote);
  }
  return Array.from(remotes, ([name, { fetchUrl = "", pushUrl = fetchUrl }]) => ({
    name,
    fetchUrl,
    pushUrl,
  }));
}

function recordsOf(output: string, fields: number): readonly (readonly string[])[] {
  const all = output.split("\0");
  const records: string[][] = [];
  for (let at = 0; at + fields <= all.length; at += fields) records.push(all.slice(at, at + fields));
  return records;
}
