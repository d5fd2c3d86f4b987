import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { exists, hasCode, tryCommand } from "@wrenn/system";
import type { RunProgram } from "@wrenn/system";

/** The dynamic linker's index, which is written again when a package with a library is installed or upgraded. */
const LINKER_CACHE = "/etc/ld.so.cache";
/** Directories that are links into /usr on merged systems. */
const MERGED = ["/lib", "/lib64", "/bin"] as const;
const MANIFEST = "manifest.json";
const BUILDING = ".building-";
const KEY_DIGITS = 32;
const LINKER_MS = 20_000;
/** A tree that a process left unfinished is removed after this. */
const ABANDONED_MS = 60 * 60_000;

/** Offsets in the headers of a 64-bit ELF file (elf(5)). */
const ELF = {
  bytes: 64,
  table: 32,
  size: 54,
  count: 56,
  entryOffset: 8,
  entryLength: 32,
  interpreter: 3,
} as const;

export interface SystemProgram {
  readonly program: string;
  /** Other files that it opens; libraries among them bring those that they need. */
  readonly files: () => Promise<readonly string[]>;
}

/** A source file of a tree, and which version of it was copied. */
type Manifest = Readonly<Record<string, string>>;

/**
 * Directory trees that have one program with its libraries and data, each at its own path, and nothing else: what a jail has in
 * the place of the host's /usr. A tree is made once for each version of its files, and never changes.
 */
export class SystemTrees {
  readonly #directory: string;
  readonly #run: RunProgram;
  readonly #known = new Map<string, { readonly version: string; readonly tree: Promise<string> }>();

  /**
   * @param directory - where the trees are; any number of processes may share it.
   * @param run - runs the dynamic linker, once for each version of the files.
   */
  constructor(directory: string, run: RunProgram = tryCommand) {
    this.#directory = directory;
    this.#run = run;
  }

  /**
   * The tree of a program, of today's files. Costs three calls of the file system unless the program or a library has changed.
   *
   * @throws WrennError `dependency_missing` without the program, `operation_failed` when its libraries cannot be found.
   */
  async of(wanted: SystemProgram): Promise<string> {
    const known = this.#known.get(wanted.program);
    const [version, isThere] = await Promise.all([
      Promise.all([wanted.program, LINKER_CACHE].map(fileVersion)).then((versions) => versions.join(" ")),
      // The cache may be emptied at any time.
      known?.tree.then(exists, () => false),
    ]);
    if (known?.version === version && isThere === true) return await known.tree;
    const tree = this.#make(wanted);
    this.#known.set(wanted.program, { version, tree });
    // What failed is tried again.
    tree.catch(() => this.#known.delete(wanted.program));
    return await tree;
  }

  /** Removes trees of files that the host no longer has, and unfinished ones. A machine keeps the files that it has opened. */
  async removeStale(): Promise<void> {
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const path = join(this.#directory, name);
      const isStale = name.includes(BUILDING) ? await isOlder(path, ABANDONED_MS) : !(await isCurrent(path));
      if (isStale) await rm(path, { recursive: true, force: true });
    }
  }

  async #make({ program, files }: SystemProgram): Promise<string> {
    const named = [program, ...(await files())];
    // Libraries are not looked for: where one has changed, so has the linker's index.
    const versions = await Promise.all([...named, LINKER_CACHE].map(fileVersion));
    const key = createHash("sha256")
      .update(JSON.stringify([named, versions]))
      .digest("hex");
    const tree = join(this.#directory, key.slice(0, KEY_DIGITS));
    if (await exists(tree)) return tree;
    const sources = await withLibraries(named, this.#run);
    const manifest: Record<string, string> = {};
    for (const source of sources) manifest[source] = await fileVersion(source);
    const building = `${tree}${BUILDING}${randomUUID()}`;
    await mkdir(this.#directory, { recursive: true, mode: 0o755 });
    await mkdir(building, { mode: 0o755 });
    try {
      await fill(building, sources);
      await writeFile(join(building, MANIFEST), JSON.stringify(manifest));
      await rename(building, tree);
    } catch (error) {
      await rm(building, { recursive: true, force: true });
      // Another process was faster.
      if (!hasCode(error, "ENOTEMPTY") && !hasCode(error, "EEXIST")) throw error;
    }
    return tree;
  }
}

async function fill(tree: string, sources: readonly string[]): Promise<void> {
  for (const link of MERGED) {
    const target = await readlink(link).catch(() => undefined);
    if (target !== undefined) await symlink(target, join(tree, link));
  }
  for (const source of sources) {
    const target = join(tree, source);
    await makeDirectories(tree, dirname(source));
    await copyFile(source, target, constants.COPYFILE_FICLONE);
    // Readable by every machine's user, and writable by none, whatever the mask of this process.
    await chmod(target, 0o555);
  }
}

async function makeDirectories(tree: string, path: string): Promise<void> {
  let at = tree;
  for (const name of path.split("/").filter(Boolean)) {
    at = join(at, name);
    await mkdir(at).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST")) throw error;
    });
    await chmod(at, 0o755);
  }
}

/** The files, the dynamic linker with its index, and every library that they need: by paths without links in their directories. */
async function withLibraries(files: readonly string[], run: RunProgram): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const file of files) {
    found.add(await plainPath(file));
    const header = await readElf(file);
    if (!header) continue;
    const linker = header.interpreter ?? (await readElf(files[0] ?? ""))?.interpreter;
    if (linker === undefined) continue;
    found.add(await plainPath(linker));
    for (const library of await librariesOf(linker, file, run)) found.add(await plainPath(library));
  }
  if (await exists(LINKER_CACHE)) found.add(LINKER_CACHE);
  return [...found].toSorted();
}

/** As the dynamic linker finds them on this host. @throws WrennError `operation_failed` when one is missing. */
async function librariesOf(linker: string, file: string, run: RunProgram): Promise<readonly string[]> {
  const { code, stdout, stderr } = await run([linker, "--list", file], {
    env: {},
    signal: AbortSignal.timeout(LINKER_MS),
  });
  const missing = /^\s*\S+ => not found$/m.exec(stdout)?.[0].trim();
  if (code !== 0 || missing !== undefined)
    throw new WrennError("operation_failed", {
      operation: `finding the libraries of ${file}`,
      problem: missing ?? stderr.trim(),
    });
  return [...stdout.matchAll(/^\s*(?:\S+ => )?(\/.+) \(0x[0-9a-f]+\)$/gm)].map(([, path = ""]) => path);
}

/** A library keeps the name that it is asked for by, which is often a link to its file. */
async function plainPath(path: string): Promise<string> {
  return join(await realpath(dirname(path)), basename(path));
}

/** What the program's header says; undefined for a file of another kind. */
async function readElf(path: string): Promise<{ readonly interpreter?: string } | undefined> {
  await using file = await open(path);
  const read = async (offset: number, length: number): Promise<Buffer> => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
  const header = await read(0, ELF.bytes);
  if (header.length < ELF.bytes || !header.subarray(0, 5).equals(Buffer.from("\x7fELF\x02", "latin1")))
    return undefined;
  const [table, size, count] = [
    Number(header.readBigUInt64LE(ELF.table)),
    header.readUInt16LE(ELF.size),
    header.readUInt16LE(ELF.count),
  ];
  const entries = await read(table, size * count);
  for (let at = 0; at + size <= entries.length; at += size) {
    if (entries.readUInt32LE(at) !== ELF.interpreter) continue;
    const offset = Number(entries.readBigUInt64LE(at + ELF.entryOffset));
    const length = Number(entries.readBigUInt64LE(at + ELF.entryLength));
    return { interpreter: (await read(offset, length)).toString("latin1").replace(/\0.*/s, "") };
  }
  return {};
}

async function isCurrent(tree: string): Promise<boolean> {
  try {
    const manifest = JSON.parse(await readFile(join(tree, MANIFEST), "utf8")) as Manifest;
    for (const [source, version] of Object.entries(manifest))
      if ((await fileVersion(source)) !== version) return false;
    return true;
  } catch {
    return false;
  }
}

async function isOlder(path: string, ms: number): Promise<boolean> {
  const made = await stat(path).catch(() => undefined);
  return made !== undefined && Date.now() - made.mtimeMs > ms;
}

async function fileVersion(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs } = await stat(path);
    return `${dev}/${ino}/${size}/${mtimeMs}`;
  } catch (error) {
    // A host without an index of libraries searches its directories.
    if (path === LINKER_CACHE) return "none";
    throw new WrennError("dependency_missing", { what: path }, { cause: error });
  }
}
