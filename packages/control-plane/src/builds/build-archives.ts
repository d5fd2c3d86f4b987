import type { Random } from "@wrenn/core";
import { WrennError } from "@wrenn/core";
import { buildArchiveQueries, quotaQueries } from "@wrenn/database";
import type { Database, QueuedTransactions } from "@wrenn/database";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { requireStorage } from "../teams/quotas.ts";

/** Bytes of one archive. */
const MAX_ARCHIVE = 100 << 20;
/** Likewise of the platform, whose templates are made of packages that its host fetches. */
const MAX_PLATFORM_ARCHIVE = 1 << 30;
/** Of one row of the database. */
const CHUNK = 1 << 20;
/** For an archive to arrive. */
const UPLOAD_MS = 30 * 60_000;
/** An upload that is not part of a build after this was broken off. */
const ABANDONED_MS = 2 * UPLOAD_MS;

/** How long an archive of a team may be, in bytes. */
export function archiveLimit(teamId: string): number {
  return teamId === PLATFORM_TEAM ? MAX_PLATFORM_ARCHIVE : MAX_ARCHIVE;
}

/** An archive that has arrived, and that no build has yet. */
export interface UploadedArchive {
  readonly id: string;
  readonly sizeBytes: number;
}

export interface BuildArchivesDeps {
  readonly database: Database;
  readonly transactions: QueuedTransactions;
  readonly random: Random;
}

/**
 * Files that recipes copy from, in the database: whichever control plane runs a build has them. Each counts for the storage of its
 * team from its first byte on, and is deleted when its build ends.
 */
export class BuildArchives {
  readonly #deps: BuildArchivesDeps;
  readonly #uploadMs: number;

  constructor(deps: BuildArchivesDeps, uploadMs = UPLOAD_MS) {
    this.#deps = deps;
    this.#uploadMs = uploadMs;
  }

  /**
   * Stores an archive while it arrives; one that does not arrive as a whole is deleted again.
   *
   * @param mostBytes - how long it may be at most, as far as that is known.
   * @throws WrennError `archive_too_large`, `archive_too_slow`, `quota_exceeded`, or what reading `content` throws.
   */
  async receive(
    teamId: string,
    content: AsyncIterable<Uint8Array>,
    mostBytes: number,
  ): Promise<UploadedArchive> {
    const { database, transactions, random } = this.#deps;
    const limit = AbortSignal.timeout(this.#uploadMs);
    const id = random.uuid();
    const claimed = Math.min(mostBytes, archiveLimit(teamId));
    await transactions.run("team", teamId, async (trx) => {
      requireStorage(await quotaQueries.lockTeamUse(trx, teamId), { bytes: claimed, checkpoints: 0 });
      await buildArchiveQueries.insertArchive(trx, id, teamId, claimed);
    });
    try {
      let sizeBytes = 0;
      let seq = 0;
      for await (const chunk of chunks(content)) {
        if (limit.aborted) throw new WrennError("archive_too_slow", { minutes: this.#uploadMs / 60_000 });
        sizeBytes += chunk.length;
        if (sizeBytes > claimed) throw new WrennError("archive_too_large", { limit: claimed });
        await buildArchiveQueries.appendChunk(database.db, id, seq++, chunk);
      }
      await buildArchiveQueries.completeArchive(database.db, id, sizeBytes);
      return { id, sizeBytes };
    } catch (error) {
      await this.drop(id);
      throw error;
    }
  }

  /** Deletes an archive unless a build has it. */
  async drop(id: string): Promise<void> {
    await buildArchiveQueries.deleteUnused(this.#deps.database.db, id);
  }

  /** The archive of a build, to be read any number of times while the build runs; undefined without one. */
  async open(buildId: string): Promise<(() => AsyncIterable<Uint8Array>) | undefined> {
    const { db } = this.#deps.database;
    const archive = await buildArchiveQueries.findArchive(db, buildId);
    return archive && (() => this.read(archive));
  }

  /** The content of an archive in pieces. */
  async *read({ id, sizeBytes }: UploadedArchive): AsyncGenerator<Uint8Array> {
    for (let [left, seq] = [sizeBytes, 0]; left > 0; seq++) {
      const chunk = await buildArchiveQueries.readChunk(this.#deps.database.db, id, seq);
      if (!chunk) throw new Error("the archive was deleted while it was read");
      left -= chunk.length;
      yield chunk;
    }
  }

  /** Deletes what uploads left whose control plane ended. Called periodically. */
  async sweep(): Promise<void> {
    await buildArchiveQueries.deleteAbandoned(this.#deps.database.db, ABANDONED_MS);
  }
}

/** Content in pieces of one size, the last one shorter. */
async function* chunks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of content) {
    parts.push(part);
    size += part.length;
    if (size < CHUNK) continue;
    let joined = Buffer.concat(parts, size);
    for (; joined.length >= CHUNK; joined = joined.subarray(CHUNK)) yield joined.subarray(0, CHUNK);
    parts = [joined];
    size = joined.length;
  }
  if (size > 0) yield Buffer.concat(parts, size);
}
