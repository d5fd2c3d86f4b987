import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ClientError } from "../errors/client-error.ts";

/** A writer that died holds the lock no longer than this; one that lives asks a server at most. */
const STALE_MS = 40_000;
const POLL_MS = 20;
const WAIT_MS = 60_000;
/** Read, write or execute by anyone but the owner. */
const OTHERS = 0o077;

/** A JSON file of one user, readable by that user only, which several commands may change at the same time. */
export class StateFile<T> {
  readonly path: string;
  readonly #parse: (value: unknown) => T;
  readonly #isPosix: boolean;

  /**
   * @param parse - checks what was read, `undefined` where there is no file; throws when it is no such state.
   * @param isPosix - whether files have modes; they do not on Windows.
   */
  constructor(path: string, parse: (value: unknown) => T, isPosix = process.platform !== "win32") {
    this.path = path;
    this.#parse = parse;
    this.#isPosix = isPosix;
  }

  /** @throws ClientError `state_file_exposed` when others can read it, `state_file_broken` when it is not what this program wrote. */
  async read(): Promise<T> {
    const text = await this.#text();
    try {
      return this.#parse(text === undefined ? undefined : JSON.parse(text));
    } catch (error) {
      throw new ClientError(
        "failed",
        "state_file_broken",
        `${this.path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        `Mend it, or remove it and log in again.`,
        { cause: error },
      );
    }
  }

  /** Replaces the state by what `change` makes of it; changes of other commands are neither lost nor half seen. */
  async update(change: (state: T) => T | Promise<T>): Promise<T> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const lock = `${this.path}.lock`;
    await this.#lock(lock);
    try {
      const state = await change(await this.read());
      const written = `${this.path}.${randomBytes(6).toString("hex")}`;
      await using file = await open(written, "wx", 0o600);
      try {
        await file.writeFile(`${JSON.stringify(state, undefined, 2)}\n`);
        await file.sync();
        await rename(written, this.path);
      } catch (error) {
        await rm(written, { force: true });
        throw error;
      }
      return state;
    } finally {
      await rm(lock, { force: true });
    }
  }

  async #text(): Promise<string | undefined> {
    try {
      const { mode } = await stat(this.path);
      if (this.#isPosix && (mode & OTHERS) !== 0)
        throw new ClientError(
          "credentials",
          "state_file_exposed",
          `${this.path} holds credentials and can be read by other users`,
          `Run: chmod 600 ${this.path}`,
        );
      return await readFile(this.path, "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #lock(lock: string): Promise<void> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      try {
        await (await open(lock, "wx", 0o600)).close();
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        const age = await stat(lock).then(
          ({ mtimeMs }) => Date.now() - mtimeMs,
          () => 0,
        );
        if (age > STALE_MS) await rm(lock, { force: true });
        else if (Date.now() > deadline)
          throw new ClientError(
            "failed",
            "state_file_locked",
            `${lock} is held by another command`,
            "Try again; remove the file when no other command runs.",
          );
        else await sleep(POLL_MS);
      }
    }
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
}
