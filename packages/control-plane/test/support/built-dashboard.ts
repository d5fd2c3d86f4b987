import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A dashboard as its build leaves it, with these files. */
export class BuiltDashboard implements AsyncDisposable {
  readonly directory: string;
  readonly #parent: string;

  private constructor(parent: string) {
    this.#parent = parent;
    this.directory = join(parent, "build");
  }

  /** @param files - contents by path; without any it was not built yet. */
  static async make(files: Readonly<Record<string, string>> = {}): Promise<BuiltDashboard> {
    const made = new BuiltDashboard(await mkdtemp("/tmp/wrenn-dashboard-"));
    await made.add(files);
    return made;
  }

  async add(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.directory, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#parent, { recursive: true, force: true });
  }
}
