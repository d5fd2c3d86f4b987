import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { hasLocalCode } from "./copy-errors.ts";

const PREFIX = ".wrenn-cp-";

/** A directory next to what is written: files are made in it and then renamed. */
export class Staging {
  readonly path: string;
  #count = 0;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes one in a directory, after it has removed those of copies that were killed on this machine. */
  static async make(directory: string): Promise<Staging> {
    const own = `${PREFIX}${hostname()}-`;
    for (const name of await readdir(directory)) {
      const pid = name.startsWith(own) ? Number(/^\d+/.exec(name.slice(own.length))?.[0]) : Number.NaN;
      if (pid > 0 && !isAlive(pid)) await rm(join(directory, name), { recursive: true, force: true });
    }
    const path = join(directory, `${own}${process.pid}-${randomBytes(4).toString("hex")}`);
    await mkdir(path, { mode: 0o700 });
    return new Staging(path);
  }

  /** A path in it that no one else uses. */
  next(): string {
    return join(this.path, String(this.#count++));
  }

  async close(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasLocalCode(error, "ESRCH");
  }
}
