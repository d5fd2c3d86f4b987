/** What happened to a file, in the index or in the working tree. */
export type GitChange =
  | "unmodified"
  | "modified"
  | "type-changed"
  | "added"
  | "deleted"
  | "renamed"
  | "copied"
  | "unmerged";

/** A file that differs. */
export interface GitFile {
  /** Relative to the top of the repository. */
  readonly path: string;
  readonly state: "changed" | "conflicted" | "untracked";
  /** Between the last commit and the index: what a commit would take. */
  readonly index: GitChange;
  /** Between the index and the file. */
  readonly worktree: GitChange;
  /** Where a renamed or copied file was. */
  readonly originalPath?: string;
}

export interface GitStatus {
  /** Undefined when no branch is checked out. */
  readonly branch: string | undefined;
  /** Undefined before the first commit. */
  readonly commit: string | undefined;
  /** Such as `origin/main`. */
  readonly upstream: string | undefined;
  /** Commits that the upstream lacks. */
  readonly ahead: number;
  /** Commits of the upstream that are missing here. */
  readonly behind: number;
  readonly files: readonly GitFile[];
  /** Whether there are no files that differ. */
  readonly isClean: boolean;
}

const CHANGES: Readonly<Record<string, GitChange>> = {
  ".": "unmodified",
  M: "modified",
  T: "type-changed",
  A: "added",
  D: "deleted",
  R: "renamed",
  C: "copied",
  U: "unmerged",
};

/** Reads `git status --porcelain=v2 --branch -z` (https://git-scm.com/docs/git-status#_porcelain_format_version_2). */
export function parseStatus(output: string): GitStatus {
  const facts = new Map<string, string>();
  const files: GitFile[] = [];
  const records = output.split("\0");
  for (let at = 0; at < records.length; at++) {
    const record = records[at] ?? "";
    const kind = record[0];
    if (kind === "#") {
      const [, name = "", ...value] = record.split(" ");
      facts.set(name, value.join(" "));
    } else if (kind === "?") {
      files.push({ path: record.slice(2), state: "untracked", index: "unmodified", worktree: "added" });
    } else if (kind === "1") {
      files.push(fileOf(record, 8, "changed"));
    } else if (kind === "u") {
      files.push(fileOf(record, 10, "conflicted"));
    } else if (kind === "2") {
      // The old path is a record of its own.
      files.push({ ...fileOf(record, 9, "changed"), originalPath: records[++at] ?? "" });
    }
  }
  const [, ahead = "0", behind = "0"] = /^\+(\d+) -(\d+)$/.exec(facts.get("branch.ab") ?? "") ?? [];
  return {
    branch: unless(facts.get("branch.head"), "(detached)"),
    commit: unless(facts.get("branch.oid"), "(initial)"),
    upstream: facts.get("branch.upstream"),
    ahead: Number(ahead),
    behind: Number(behind),
    files,
    isClean: files.length === 0,
  };
}

/** @param skipped - fields before the path, which may hold spaces itself. */
function fileOf(record: string, skipped: number, state: GitFile["state"]): GitFile {
  const fields = record.split(" ");
  const [index = ".", worktree = "."] = fields[1] ?? "";
  return {
    path: fields.slice(skipped).join(" "),
    state,
    index: CHANGES[index] ?? "modified",
    worktree: CHANGES[worktree] ?? "modified",
  };
}

function unless(value: string | undefined, none: string): string | undefined {
  return value === none ? undefined : value;
}
