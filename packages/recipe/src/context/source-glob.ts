import { PathPattern } from "../ignore/ignore-pattern.ts";
import type { BuildContext, ContextEntry } from "./build-context.ts";

/** Whether a source of COPY is a pattern. A backslash takes a wildcard's meaning away. */
export function isGlob(pattern: string): boolean {
  return /[*?[\\]/.test(pattern);
}

/**
 * The entries that a pattern of COPY names, in the order of their paths. Each name of a path has a pattern of its own, so that no
 * wildcard matches a slash; dotfiles match like others.
 *
 * @throws SyntaxError when the pattern cannot be understood.
 */
export function findByGlob(context: BuildContext, pattern: string): readonly ContextEntry[] {
  // `**` means nothing else than `*` in COPY.
  const names = pattern.split("/").map((name) => new PathPattern(name.replaceAll(/\*\*+/g, "*")));
  let found: readonly ContextEntry[] = [];
  for (const [depth, name] of names.entries()) {
    const parents =
      depth === 0 ? [""] : found.filter(({ type }) => type === "directory").map(({ path }) => path);
    found = parents.flatMap((parent) =>
      context
        .childrenOf(parent)
        .filter(({ path }) => name.matches(parent === "" ? path : path.slice(parent.length + 1))),
    );
  }
  return found;
}
