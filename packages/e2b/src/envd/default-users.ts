import { withDeadline, WrennError } from "@wrenn/core";
import type { CapsuleFiles } from "@wrenn/protocol";

/** The account that clients expect in a sandbox whose template names no user. */
const USUAL = "user";
const FALLBACK = "root";
const LOOK_MS = 30_000;
const MOST_SANDBOXES = 10_000;

/** Whose rights hold in sandboxes whose template names no user: `user` where there is this account, otherwise root. */
export class DefaultUsers {
  /** By capsule, oldest first. */
  readonly #looks = new Map<string, Promise<string>>();

  /** Looks once for each sandbox, also for requests at the same time. @throws WrennError `deadline_exceeded`, and others of files. */
  async of(capsule: string, files: Pick<CapsuleFiles, "stat">): Promise<string> {
    let look = this.#looks.get(capsule);
    if (look === undefined) {
      look = findUser(files);
      this.#looks.set(capsule, look);
      this.#dropOldest();
    }
    try {
      return await look;
    } catch (error) {
      // The next request looks again.
      if (this.#looks.get(capsule) === look) this.#looks.delete(capsule);
      throw error;
    }
  }

  #dropOldest(): void {
    for (const oldest of this.#looks.keys()) {
      if (this.#looks.size <= MOST_SANDBOXES) break;
      this.#looks.delete(oldest);
    }
  }
}

async function findUser(files: Pick<CapsuleFiles, "stat">): Promise<string> {
  try {
    await withDeadline("looking for the default user", LOOK_MS, undefined, (signal) =>
      files.stat("/", { user: USUAL, signal }),
    );
    return USUAL;
  } catch (error) {
    if (WrennError.is(error, "user_not_found")) return FALLBACK;
    throw error;
  }
}
