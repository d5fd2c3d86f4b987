import { directoryOf } from "./build-context.ts";
import type { ContextEntry, ContextProblem } from "./build-context.ts";

/** As many as Linux follows. */
const MAX_HOPS = 40;

/** Links that lead nowhere or out of the context, by their texts alone: nothing outside is looked at. */
export function findLinkProblems(entries: readonly ContextEntry[]): readonly ContextProblem[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  const problems: ContextProblem[] = [];
  for (const { path, target } of entries) {
    if (target === undefined) continue;
    const end = follow(byPath, path, target);
    if (end === "outside")
      problems.push({ path, kind: "outside-link", message: `links to ${target}, outside the context` });
    else if (end === "nowhere")
      problems.push({
        path,
        kind: "dangling-link",
        message: `links to ${target}, which is not in the context`,
      });
  }
  return problems;
}

function follow(
  byPath: ReadonlyMap<string, ContextEntry>,
  path: string,
  target: string,
): "inside" | "outside" | "nowhere" {
  if (target.startsWith("/")) return "outside";
  // What is still to be walked, the next name last.
  const ahead = target.split("/").toReversed();
  let here = directoryOf(path);
  let hops = 1;
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (here === "") return "outside";
      here = directoryOf(here);
      continue;
    }
    const next = here === "" ? name : `${here}/${name}`;
    const entry = byPath.get(next);
    if (entry === undefined) return "nowhere";
    if (entry.target === undefined) {
      here = next;
      continue;
    }
    hops += 1;
    if (hops > MAX_HOPS) return "nowhere";
    if (entry.target.startsWith("/")) return "outside";
    ahead.push(...entry.target.split("/").toReversed());
  }
  return "inside";
}
