import type { FileHandle } from "node:fs/promises";
import type { BuildContext, ContextEntry } from "./build-context.ts";
import { codeOf, ContextError } from "./context-error.ts";
import { OpenDirectory } from "./open-directory.ts";

const PIECE = 256 * 1024;

/** Reads contents of files of a context, and refuses those that are not what they were when the context was read. */
export class ContextReader implements AsyncDisposable {
  readonly #context: BuildContext;
  /** The directories from the context down to that of the last file: the next one is often beside it. */
  readonly #open: { readonly name: string; readonly directory: OpenDirectory }[] = [];

  constructor(context: BuildContext) {
    this.#context = context;
  }

  /**
   * The bytes of a file, in pieces of at most 256 KiB. Each piece is valid until the next one is asked for.
   *
   * @throws ContextError when the file is another one, is changed, or can no longer be read.
   */
  async *read(
    entry: ContextEntry,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    signal?.throwIfAborted();
    const handle = await this.#openFile(entry);
    try {
      await requireSame(entry, handle);
      const buffer = Buffer.allocUnsafe(Math.min(PIECE, Math.max(1, entry.size)));
      let length = 0;
      for (;;) {
        signal?.throwIfAborted();
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) break;
        length += bytesRead;
        if (length > entry.size) throw changed(entry);
        yield buffer.subarray(0, bytesRead);
      }
      if (length !== entry.size) throw changed(entry);
      await requireSame(entry, handle);
    } finally {
      await handle.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { directory } of this.#open.splice(0).toReversed()) await directory[Symbol.asyncDispose]();
  }

  async #openFile(entry: ContextEntry): Promise<FileHandle> {
    const names = entry.path.split("/");
    const name = names.pop() ?? "";
    try {
      const directory = await this.#enter(names);
      return await directory.openFile(name);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EACCES" || code === "EPERM")
        throw new ContextError(entry.path, "can no longer be read by this user", "Build again.", {
          cause: error,
        });
      if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR" || code === "ENXIO")
        throw changed(entry, error);
      throw error;
    }
  }

  async #enter(names: readonly string[]): Promise<OpenDirectory> {
    let [root] = this.#open;
    if (root === undefined) {
      root = { name: "", directory: await OpenDirectory.open(this.#context.root) };
      this.#open.push(root);
    }
    let shared = 0;
    while (shared < names.length && this.#open[shared + 1]?.name === names[shared]) shared += 1;
    for (const { directory } of this.#open.splice(shared + 1).toReversed())
      await directory[Symbol.asyncDispose]();
    let directory = this.#open[shared]?.directory ?? root.directory;
    for (const name of names.slice(shared)) {
      directory = await directory.openDirectory(name);
      this.#open.push({ name, directory });
    }
    return directory;
  }
}

async function requireSame(entry: ContextEntry, handle: FileHandle): Promise<void> {
  const stat = await handle.stat({ bigint: true });
  const { dev, ino, size, mtimeNs } = entry.identity;
  if (
    !stat.isFile() ||
    stat.dev !== dev ||
    stat.ino !== ino ||
    stat.size !== size ||
    stat.mtimeNs !== mtimeNs
  )
    throw changed(entry);
}

function changed({ path }: ContextEntry, cause?: unknown): ContextError {
  return new ContextError(
    path,
    "changed while the context was read",
    "Build again when no other program changes the directory.",
    { cause },
  );
}
