import { tryCommand } from "@wrenn/system";

/**
 * The commit of the checkout in a directory, abbreviated, with `+` where files differ from it.
 *
 * @returns undefined where there is no checkout.
 */
export async function commitOf(directory: string): Promise<string | undefined> {
  const git = async (...args: readonly string[]): Promise<string | undefined> => {
    const { code, stdout } = await tryCommand(["git", "-C", directory, ...args]).catch(() => ({
      code: 1,
      stdout: "",
    }));
    return code === 0 ? stdout.trim() : undefined;
  };
  const commit = await git("rev-parse", "--short=9", "HEAD");
  if (commit === undefined) return undefined;
  return (await git("status", "--porcelain", "--untracked-files=no")) === "" ? commit : `${commit}+`;
}
