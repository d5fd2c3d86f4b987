import type { IgnoreRules } from "../ignore/ignore-rules.ts";
import type { CopyAction, RecipeSource } from "../plan/recipe-step.ts";
import { ProblemList, quote, Refusal } from "../syntax/refusal.ts";
import { nameOf } from "./build-context.ts";
import type { BuildContext, ContextEntry } from "./build-context.ts";
import { findByGlob, isGlob } from "./source-glob.ts";

/** One file, directory or link that COPY makes. */
export interface CopyMember {
  /** Below the target, with slashes; the name of the file itself where `isTarget` is set. */
  readonly path: string;
  readonly entry: ContextEntry;
  /** What the copy has: of `--chmod`, or the effective one of the entry. */
  readonly mode: number;
  /** An earlier member that is the same file by another name. */
  readonly linkTo: string | undefined;
  /** Whether a source names it, not a directory that it is in: ADD unpacks such archives. */
  readonly isNamed: boolean;
}

/** What the sources of a step are in a context. */
export interface ResolvedCopy {
  /** Sorted, directories before what is in them. */
  readonly members: readonly CopyMember[];
  /** There is one file, and the target is its new name unless it is a directory already. */
  readonly isTarget: boolean;
}

interface FoundSource {
  readonly entry: ContextEntry;
  readonly isNamed: boolean;
}

export interface ResolveOptions {
  /** Name of the recipe in messages. */
  readonly file: string;
  /** The rules that the context was read with: a source that they ignore is explained. */
  readonly ignore?: { readonly rules: IgnoreRules; readonly file: string | undefined };
}

/**
 * Finds the sources of COPY or ADD in a context, with Docker's rules: of a directory its contents are copied, into the target; a link
 * is copied as a link.
 *
 * @throws RecipeError with the place of each source that is not there.
 */
export function resolveSources(
  context: BuildContext,
  action: Pick<CopyAction, "sources" | "targetIsDirectory" | "mode">,
  options: ResolveOptions,
): ResolvedCopy {
  const problems = new ProblemList(options.file);
  const found = new Map<string, FoundSource>();
  let files = 0;
  for (const source of action.sources)
    problems.attempt(() => {
      for (const entry of entriesOf(context, source, options)) {
        if (entry === undefined || entry.type === "directory") {
          addContents(context, entry?.path ?? "", source, found);
          continue;
        }
        files += 1;
        add(found, nameOf(entry.path), { entry, isNamed: true }, source);
      }
    });
  const [first] = action.sources;
  if (files > 1 && !action.targetIsDirectory && first !== undefined)
    problems.add(
      first.position,
      `${quote(first.pattern)} matches ${files} files, and the target is not a directory`,
      "Write a slash at the end of the target.",
    );
  problems.raise();
  const isTarget = !action.targetIsDirectory && files === 1 && found.size === 1;
  return { members: membersOf(found, action.mode), isTarget };
}

/** What one source names; undefined is the context itself. */
function entriesOf(
  context: BuildContext,
  source: RecipeSource,
  options: ResolveOptions,
): readonly (ContextEntry | undefined)[] {
  const { pattern, position } = source;
  if (pattern === "") return [undefined];
  if (isGlob(pattern)) {
    try {
      const found = findByGlob(context, pattern);
      if (found.length > 0) return found;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new Refusal(position, `${quote(pattern)}: ${error.message}`, "Correct the pattern.");
    }
    throw new Refusal(
      position,
      `${quote(pattern)} matches nothing in the context`,
      "Check the pattern, and what .dockerignore leaves out. It is relative to the context.",
    );
  }
  const entry = context.find(pattern);
  if (entry !== undefined) return [entry];
  throw missing(context, source, options);
}

function missing(
  context: BuildContext,
  { pattern, position }: RecipeSource,
  { ignore }: ResolveOptions,
): Refusal {
  const above = pattern.split("/").map((_, at, names) => names.slice(0, at + 1).join("/"));
  const link = above.find((path) => context.find(path)?.type === "link");
  if (link !== undefined)
    return new Refusal(
      position,
      `${quote(pattern)} goes through the link ${quote(link)}, and links are not followed`,
      "Name the path that the link leads to.",
    );
  const line = ignore?.rules.ignoringLine(pattern);
  if (line !== undefined)
    return new Refusal(
      position,
      `${quote(pattern)} is excluded from the context by ${ignore?.file ?? "the ignore file"}:${line}`,
      "Change that line, or add an exception after it: a line with ! and the path.",
    );
  const unread = context.problems.find(({ path }) => above.includes(path));
  if (unread !== undefined)
    return new Refusal(
      position,
      `${quote(unread.path)} ${unread.message}`,
      "Change it, or copy something else.",
    );
  return new Refusal(
    position,
    `${quote(pattern)} is not in the context`,
    "Check the path: it is relative to the context, whatever the directory of the recipe is.",
  );
}

function addContents(
  context: BuildContext,
  directory: string,
  source: RecipeSource,
  found: Map<string, FoundSource>,
): void {
  const prefix = directory === "" ? 0 : directory.length + 1;
  const ahead = context.childrenOf(directory).toReversed();
  for (let entry = ahead.pop(); entry !== undefined; entry = ahead.pop()) {
    add(found, entry.path.slice(prefix), { entry, isNamed: false }, source);
    if (entry.type === "directory")
      for (const child of context.childrenOf(entry.path).toReversed()) ahead.push(child);
  }
}

/** A later source replaces files of an earlier one, but neither a directory nor by one. */
function add(
  found: Map<string, FoundSource>,
  path: string,
  source: FoundSource,
  { position }: RecipeSource,
): void {
  const before = found.get(path)?.entry.type;
  if (before !== undefined && (before === "directory") !== (source.entry.type === "directory"))
    throw new Refusal(
      position,
      `${quote(path)} is a directory of one source and no directory of another`,
      "Copy the sources in steps of their own, or to other targets.",
    );
  found.set(path, source);
}

function membersOf(found: ReadonlyMap<string, FoundSource>, mode: number | undefined): readonly CopyMember[] {
  const byInode = new Map<string, string>();
  return [...found]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([path, { entry, isNamed }]) => {
      const linkTo = entry.inode === undefined ? undefined : byInode.get(entry.inode);
      if (entry.inode !== undefined && linkTo === undefined) byInode.set(entry.inode, path);
      return {
        path,
        entry,
        mode: entry.type === "link" ? entry.mode : (mode ?? entry.mode),
        linkTo,
        isNamed,
      };
    });
}
