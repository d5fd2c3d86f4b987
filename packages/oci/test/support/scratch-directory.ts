import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";

/** A directory for one test, with an empty `tree` and an empty `scratch` in it. */
export class ScratchDirectory implements AsyncDisposable {
  readonly path: string;
  readonly tree: string;
  readonly scratch: string;

  private constructor(path: string) {
    this.path = path;
    this.tree = join(path, "tree");
    this.scratch = join(path, "scratch");
  }

  static async create(): Promise<ScratchDirectory> {
    const directory = new ScratchDirectory(await mkdtemp("/tmp/wrenn-oci-"));
    await mkdir(directory.tree);
    await mkdir(directory.scratch);
    return directory;
  }

  /** Where layers are applied. */
  get places(): { readonly tree: string; readonly scratch: string } {
    return { tree: this.tree, scratch: this.scratch };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
