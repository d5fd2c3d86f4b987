import { parseId } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { CapsuleRow, Database } from "@wrenn/database";
import { capsuleIdOf } from "../sandbox-id.ts";

/** A sandbox that exists: neither destroyed nor failed. */
export interface FoundSandbox {
  /** The 25 characters that clients know. */
  readonly sandboxId: string;
  /** Public id of the capsule, `cl-…`. */
  readonly capsuleId: string;
  /** As it was when it was looked up; `row.id` is the UUID that tokens are made of. */
  readonly row: CapsuleRow;
}

/** Finds sandboxes of whatever team: who may use one is decided by tokens. */
export class SandboxFinder {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @returns undefined when there is none of this id, or it has ended. */
  async find(sandboxId: string): Promise<FoundSandbox | undefined> {
    const capsuleId = capsuleIdOf(sandboxId);
    if (capsuleId === undefined) return undefined;
    const row = await capsuleQueries.findAnyCapsule(this.#database.db, parseId("capsule", capsuleId));
    if (!row || row.status === "stopped" || row.status === "error") return undefined;
    return { sandboxId: capsuleId.slice("cl-".length), capsuleId, row };
  }
}
