import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { exists, hasCode } from "@wrenn/system";
import type { DiskReserve } from "../disks/disk-reserve.ts";
import { asDiskFull } from "../disks/full-disk.ts";

/** Whoever has sent an archive drops it when its build has ended; one that is older was forgotten. */
const KEPT_MS = 24 * 60 * 60_000;
/** Room on the disk that is asked for at a time. */
const ADMITTED_BYTES = 16 * 2 ** 20;
/** Ids are names of files. */
const ID = /^[\dA-Za-z][\dA-Za-z_-]{0,63}$/;
const ARCHIVE = ".archive";
const PART = ".part";
const SCRATCH = ".scratch";

export interface ArchiveStoreDeps {
  readonly clock: Clock;
  readonly reserve: Pick<DiskReserve, "claim" | "path">;
  /** Of one process alone; made when it is needed. */
  readonly directory: string;
}

/** An archive that stays where it is, whoever drops it meanwhile. */
export interface ArchiveInUse extends AsyncDisposable {
  readonly path: string;
}

/** Archives of images that clients have sent, each until it is dropped. */
export class ArchiveStore {
  readonly #deps: ArchiveStoreDeps;
  /** How often each is in use. */
  readonly #uses = new Map<string, number>();
  readonly #dropped = new Set<string>();

  constructor(deps: ArchiveStoreDeps) {
    this.#deps = deps;
  }

  /** Removes what an earlier process has left unfinished. Call it before anything else. */
  async open(): Promise<void> {
    for (const name of await this.#list())
      if (!name.endsWith(ARCHIVE)) await rm(this.#path(name), { recursive: true, force: true });
  }

  /**
   * Stores an archive while it arrives. Nothing is left of one that does not arrive as a whole.
   *
   * @param id - of letters, digits, `-` and `_`; no other archive has it.
   * @throws WrennError `invalid_field`, `disk_full`; what reading `content` throws; the signal's reason.
   */
  async receive(id: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const path = this.#path(nameOf(id, ARCHIVE));
    const part = this.#path(nameOf(id, PART));
    await mkdir(this.#deps.directory, { recursive: true, mode: 0o700 });
    try {
      await this.#write(part, content, signal);
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw asDiskFull(error, this.#deps.reserve.path);
    }
  }

  /** @throws WrennError `image_archive_invalid` for one that is not there. */
  async use(id: string, archive: string): Promise<ArchiveInUse> {
    const path = this.#path(nameOf(id, ARCHIVE));
    this.#uses.set(id, (this.#uses.get(id) ?? 0) + 1);
    const release = async (): Promise<void> => {
      const left = (this.#uses.get(id) ?? 1) - 1;
      if (left > 0) this.#uses.set(id, left);
      else this.#uses.delete(id);
      if (left === 0 && this.#dropped.delete(id)) await rm(path, { force: true });
    };
    if (!this.#dropped.has(id) && (await exists(path))) return { path, [Symbol.asyncDispose]: release };
    await release();
    throw new WrennError("image_archive_invalid", {
      archive,
      problem: "its host does not have it any longer",
    });
  }

  /** Removes an archive, as soon as it is not in use; one that is not there is fine. @throws WrennError `invalid_field`. */
  async drop(id: string): Promise<void> {
    const path = this.#path(nameOf(id, ARCHIVE));
    if (this.#uses.has(id)) this.#dropped.add(id);
    else await rm(path, { force: true });
  }

  /** Removes archives that were forgotten. */
  async sweep(): Promise<void> {
    const before = this.#deps.clock.now() - KEPT_MS;
    for (const name of await this.#list()) {
      const found = name.endsWith(ARCHIVE) ? await stat(this.#path(name)).catch(() => undefined) : undefined;
      if (found && found.mtimeMs < before) await this.drop(name.slice(0, -ARCHIVE.length));
    }
  }

  /** A directory for what is made of an archive, until it is disposed of. */
  async scratch(id: string): Promise<ArchiveInUse> {
    const path = this.#path(nameOf(id, SCRATCH));
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true, mode: 0o700 });
    return {
      path,
      [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }),
    };
  }

  /** @throws WrennError `disk_full` where another piece of an archive would take of the reserve. */
  readonly admit = async (): Promise<void> => {
    using room = await this.#deps.reserve.claim(2 * ADMITTED_BYTES, "new");
    void room;
  };

  async #write(path: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    await using file = await open(path, "wx", 0o600);
    let size = 0;
    let admitted = 0;
    for await (const piece of content) {
      signal.throwIfAborted();
      if (size + piece.length > admitted) {
        await this.admit();
        admitted = size + Math.max(piece.length, ADMITTED_BYTES);
      }
      for (let rest = piece; rest.length > 0;) {
        const { bytesWritten } = await file.write(rest);
        rest = rest.subarray(bytesWritten);
        size += bytesWritten;
      }
    }
    signal.throwIfAborted();
    // A build that waits in the queue finds it after a crash of the host, or not at all.
    await file.sync();
  }

  async #list(): Promise<readonly string[]> {
    try {
      return await readdir(this.#deps.directory);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return [];
      throw error;
    }
  }

  #path(name: string): string {
    return join(this.#deps.directory, name);
  }
}

function nameOf(id: string, ending: string): string {
  if (!ID.test(id)) throw new WrennError("invalid_field", { field: "id", problem: "names no archive" });
  return `${id}${ending}`;
}
