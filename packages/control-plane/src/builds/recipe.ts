import { WrennError } from "@wrenn/core";

const INSTRUCTION = /^\s*(\w+)(?:\s+([\s\S]*))?$/;
const KNOWN: ReadonlySet<string> = new Set(["RUN", "START", "ENV", "WORKDIR", "USER", "COPY"]);

export type BuildPhase = "pre-build" | "recipe" | "post-build";

/** One step of a build. */
export interface PlannedStep {
  /** From 1, across all phases. */
  readonly step: number;
  readonly phase: BuildPhase;
  /** An instruction with its arguments. */
  readonly cmd: string;
}

const before: readonly string[] = ["RUN apt update", "USER wrenn-user", "WORKDIR /home/wrenn-user"];
const after: readonly string[] = [
  "RUN apt clean",
  "RUN apt autoremove -y",
  "RUN rm -rf /var/lib/apt/lists/*",
  "RUN rm -rf /tmp/build-files /tmp/build-files.*",
];

/**
 * The steps of a build (docs/reference/builds.md#recipes).
 *
 * @param skipPrePost - leaves out what is done before and after the recipe.
 * @throws WrennError `recipe_invalid` naming the first line that is no instruction.
 */
export function planSteps(
  recipe: readonly string[],
  { skipPrePost, hasArchive }: { readonly skipPrePost: boolean; readonly hasArchive: boolean },
): readonly PlannedStep[] {
  const cmds = recipe.map((line, at) => {
    const [, keyword = "", rest = ""] = INSTRUCTION.exec(line) ?? [];
    const instruction = keyword.toUpperCase();
    const problem = problemWith(instruction, rest.trim(), hasArchive);
    if (problem !== undefined) throw new WrennError("recipe_invalid", { line: at + 1, problem });
    return `${instruction} ${rest.trim()}`;
  });
  const phases: readonly (readonly [BuildPhase, readonly string[]])[] = [
    ["pre-build", skipPrePost ? [] : before],
    ["recipe", cmds],
    ["post-build", skipPrePost ? [] : after],
  ];
  return phases
    .flatMap(([phase, lines]) => lines.map((cmd) => ({ phase, cmd })))
    .map((one, at) => ({ step: at + 1, ...one }));
}

function problemWith(instruction: string, rest: string, hasArchive: boolean): string | undefined {
  if (!KNOWN.has(instruction)) return "is no instruction";
  if (rest === "") return `has nothing after ${instruction}`;
  if (instruction === "ENV" && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(rest)) return "is not ENV NAME=value";
  if (instruction === "USER" && !/^[A-Za-z_][A-Za-z0-9_-]{0,31}$/.test(rest)) return "names no user";
  if (instruction === "COPY") {
    const paths = rest.split(/\s+/);
    if (paths.length < 2) return "is not COPY source destination";
    if (paths.slice(0, -1).some((path) => path.startsWith("/") || path.split("/").includes("..")))
      return "copies from outside of the archive";
    if (!hasArchive) return "copies from an archive, and the build has no archive";
  }
  return undefined;
}
