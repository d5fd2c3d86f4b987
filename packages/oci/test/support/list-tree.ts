import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * What is below a directory, one line each and sorted: `usr/bin/x file 755 0:0 "content"`, `bin link usr/bin`, `y = usr/bin/x` for a
 * further name of a file. Times are left out.
 */
export async function listTree(root: string): Promise<readonly string[]> {
  const lines: string[] = [];
  const first = new Map<number, string>();
  const walk = async (directory: string): Promise<void> => {
    const names = (await readdir(join(root, directory))).sort();
    for (const name of names) {
      const path = join(directory, name);
      const stat = await lstat(join(root, path));
      const known = first.get(stat.ino);
      if (!stat.isDirectory() && stat.nlink > 1 && known !== undefined) {
        lines.push(`${path} = ${known}`);
        continue;
      }
      first.set(stat.ino, path);
      const attributes = `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`;
      if (stat.isSymbolicLink()) lines.push(`${path} link ${await readlink(join(root, path))}`);
      else if (stat.isFIFO()) lines.push(`${path} fifo ${attributes}`);
      else if (stat.isDirectory()) lines.push(`${path} directory ${attributes}`);
      else if (stat.isFile())
        lines.push(`${path} file ${attributes} ${JSON.stringify(await readFile(join(root, path), "utf8"))}`);
      else lines.push(`${path} device ${attributes}`);
      if (stat.isDirectory()) await walk(path);
    }
  };
  await walk(".");
  return lines;
}
