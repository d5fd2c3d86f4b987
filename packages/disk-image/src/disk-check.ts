import { copyFile, mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";

const PROGRAM = "/sbin/e2fsck";
/** Name of the dynamic linker in the first file system, whatever the host calls it. */
const LINKER = "ld.so";
/** `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and without an arrow the dynamic linker. */
const LIBRARY = /^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm;

/** A file of the first file system. */
export interface InitramfsFile {
  readonly name: string;
  readonly path: string;
}

/**
 * Copies the host's e2fsck and its libraries into `directory`. Guests run it on a disk that was not unmounted, before they mount it:
 * an image may have none, and users may remove theirs.
 *
 * @throws WrennError `dependency_missing`, `command_failed`.
 */
export async function takeDiskCheck(directory: string, signal: AbortSignal): Promise<void> {
  const { stdout } = await runCommand(["ldd", PROGRAM], { signal });
  const libraries = librariesOf(stdout);
  if (!libraries.some(({ name }) => name === LINKER))
    throw new WrennError("dependency_missing", { what: PROGRAM });
  await mkdir(directory, { recursive: true });
  for (const { name, path } of [...libraries, { name: basename(PROGRAM), path: PROGRAM }])
    await copyFile(path, join(directory, name));
}

/** What {@link takeDiskCheck} has copied. */
export async function listDiskCheck(directory: string): Promise<readonly InitramfsFile[]> {
  return (await readdir(directory)).toSorted().map((name) => ({ name, path: join(directory, name) }));
}

/** The files that ldd(1) lists. */
export function librariesOf(ldd: string): readonly InitramfsFile[] {
  return [...ldd.matchAll(LIBRARY)].map(([, path = ""]) => {
    const name = basename(path);
    return { name: name.startsWith("ld-linux") ? LINKER : name, path };
  });
}
