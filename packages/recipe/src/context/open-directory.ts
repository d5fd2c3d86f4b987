import type { BigIntStats } from "node:fs";
import { constants, lstat, open, readdir, readlink, realpath } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** Linux opens names relative to an open directory by this path: what is swapped in above it later changes nothing. */
const hasDescriptorPaths = process.platform === "linux";

/**
 * A directory that is held open. Its names are opened relative to it and never through a link, so that nothing that is swapped in while
 * a context is read leads out of the context.
 */
export class OpenDirectory implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #path: string;

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /** Opens a directory by a path that the user gave: links are followed. */
  static async open(path: string): Promise<OpenDirectory> {
    const real = await realpath(path);
    return new OpenDirectory(await open(real, O_RDONLY | O_DIRECTORY), real);
  }

  async openDirectory(name: string): Promise<OpenDirectory> {
    const handle = await open(this.#pathOf(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return new OpenDirectory(handle, `${this.#path}/${name}`);
  }

  /** Opens a file. What is no regular file is opened without waiting for another side; the caller looks at what it is. */
  async openFile(name: string): Promise<FileHandle> {
    return await open(this.#pathOf(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }

  /** Its names, in the order of their bytes. */
  async list(): Promise<readonly Buffer[]> {
    const names = await readdir(this.#base, { encoding: "buffer" });
    if (!hasDescriptorPaths) await this.#requireUnchanged();
    return names.sort((one, other) => Buffer.compare(one, other));
  }

  /** What a name is; links are not followed. */
  async stat(name: string): Promise<BigIntStats> {
    return await lstat(this.#pathOf(name), { bigint: true });
  }

  async readLink(name: string): Promise<Buffer> {
    return await readlink(this.#pathOf(name), { encoding: "buffer" });
  }

  /** Whether a file can be opened by this process. */
  async canRead(name: string): Promise<boolean> {
    try {
      await (await this.openFile(name)).close();
      return true;
    } catch {
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  get #base(): string {
    return hasDescriptorPaths ? `/proc/self/fd/${this.#handle.fd}` : this.#path;
  }

  #pathOf(name: string): string {
    return `${this.#base}/${name}`;
  }

  /** Without paths of descriptors: the path still leads to the directory that is open. */
  async #requireUnchanged(): Promise<void> {
    const [here, there] = await Promise.all([
      this.#handle.stat({ bigint: true }),
      lstat(this.#path, { bigint: true }),
    ]);
    if (here.dev !== there.dev || here.ino !== there.ino || (await realpath(this.#path)) !== this.#path)
      throw Object.assign(new Error("the directory was replaced"), { code: "ELOOP" });
  }
}
