import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@wrenn/system";

/** A Debian package that tests make. */
export interface MadePackage {
  readonly name: string;
  readonly version: string;
  readonly depends?: string;
  /** Contents of its files, by their absolute paths. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Makes a Debian mirror in a directory, or replaces what it has. @returns its line of a sources.list. */
export async function makeMirror(directory: string, packages: readonly MadePackage[]): Promise<string> {
  const entries: string[] = [];
  for (const { name, version, depends, files = {} } of packages) {
    const tree = join(directory, `${name}-${version}`);
    const control = [
      `Package: ${name}`,
      `Version: ${version}`,
      "Architecture: all",
      "Maintainer: Wrenn's tests <tests@example.org>",
      ...(depends === undefined ? [] : [`Depends: ${depends}`]),
      "Description: made by a test",
    ].join("\n");
    await mkdir(join(tree, "DEBIAN"), { recursive: true });
    await writeFile(join(tree, "DEBIAN/control"), `${control}\n`);
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(tree, path, ".."), { recursive: true });
      await writeFile(join(tree, path), content, { mode: 0o755 });
    }
    const archive = join(directory, `${name}_${version}_all.deb`);
    await runCommand(["dpkg-deb", "--build", "--root-owner-group", tree, archive]);
    const bytes = await readFile(archive);
    const digest = createHash("sha256").update(bytes).digest("hex");
    entries.push(
      `${control}\nFilename: ./${name}_${version}_all.deb\nSize: ${bytes.length}\nSHA256: ${digest}\n`,
    );
  }
  await writeFile(join(directory, "Packages"), entries.join("\n"));
  return `deb [trusted=yes] copy:${directory} ./`;
}
