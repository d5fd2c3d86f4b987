import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseRecipe, planRecipe } from "@wrenn/recipe";
import type { CopyAction } from "@wrenn/recipe";
import { resolveSources } from "@wrenn/recipe/context";
import type { BuildContext, ResolvedCopy, ResolveOptions } from "@wrenn/recipe/context";

/** A directory with a context, and one beside it. */
export class ContextLab implements AsyncDisposable {
  readonly directory: string;
  readonly root: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.root = join(directory, "context");
  }

  /** @param files - contents by path; a path with a slash at its end is a directory, `-> target` is a link. */
  static async open(files: Readonly<Record<string, string>>): Promise<ContextLab> {
    const lab = new ContextLab(await mkdtemp("/tmp/wrenn-recipe-"));
    await mkdir(lab.root);
    await lab.write(files);
    return lab;
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      const place = join(this.root, path);
      await mkdir(path.endsWith("/") ? place : dirname(place), { recursive: true });
      if (content.startsWith("-> ")) await symlink(content.slice(3), place);
      else if (!path.endsWith("/")) await writeFile(place, content);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** What COPY or ADD with these arguments takes of a context. */
export function copyOf(line: string, context: BuildContext, options?: Partial<ResolveOptions>): ResolvedCopy {
  return resolveSources(context, actionOf(line), { file: "recipe", ...options });
}

function actionOf(line: string): CopyAction {
  const action = planRecipe(parseRecipe(line)).steps[0]?.action;
  if (action?.type !== "copy") throw new Error(`${line} copies nothing`);
  return action;
}

/** Runs a program of this machine. @returns what it printed. */
export function run(argv: readonly [string, ...string[]], input?: Uint8Array): string {
  const [program, ...args] = argv;
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
  return stdout;
}
