import { randomBytes } from "node:crypto";
import { access, mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A cgroup of this machine for one test, if it has version 2 with a kill file and we may use it. */
export class TestCgroup {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<TestCgroup | undefined> {
    const mounts = await readFile("/proc/mounts", "utf8");
    const root = mounts
      .split("\n")
      .map((line) => line.split(" "))
      .find(([, , type]) => type === "cgroup2")?.[1];
    if (root === undefined) return undefined;
    const path = join(root, `wrenn-test-${randomBytes(4).toString("hex")}`);
    try {
      await mkdir(path);
    } catch {
      return undefined;
    }
    const usable = await access(join(path, "cgroup.kill")).then(
      () => true,
      () => false,
    );
    if (usable) return new TestCgroup(path);
    await rmdir(path);
    return undefined;
  }

  get #ofProcesses(): string {
    return join(this.path, "user");
  }

  /** Names of the cgroups of processes in it. */
  async groups(): Promise<readonly string[]> {
    const entries = await readdir(this.#ofProcesses, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  }

  async remove(): Promise<void> {
    await writeFile(join(this.path, "cgroup.kill"), "1");
    for (let attempt = 0; ; attempt++) {
      try {
        for (const group of await this.groups()) await rmdir(join(this.#ofProcesses, group));
        for (const group of [this.#ofProcesses, join(this.path, "hooks"), this.path]) await rmdir(group);
        return;
      } catch (error) {
        // Killed processes take a moment to leave.
        if (attempt === 200) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
}
