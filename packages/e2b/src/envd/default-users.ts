import { WrennError } from "@wrenn/core";
import type { CapsuleFiles } from "@wrenn/protocol";

/** The account that clients expect in a sandbox whose template names no user. */
const USUAL = "user";
const FALLBACK = "root";
const LOOK_MS = 10_000;
const MOST_SANDBOXES = 10_000;

/** Whose rights hold in sandboxes whose template names no user: `user` where there is this account, otherwise root. */
export class DefaultUsers {
  /** By capsule, oldest first. */
  readonly #known = new Map<string, string>();

  /** Looks once for each sandbox. */
  async of(capsule: string, files: CapsuleFiles): Promise<string> {
    const known = this.#known.get(capsule);
    if (known !== undefined) return known;
    const found = (await hasAccount(files)) ? USUAL : FALLBACK;
    this.#known.set(capsule, found);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_SANDBOXES) break;
      this.#known.delete(oldest);
    }
    return found;
  }
}

async function hasAccount(files: CapsuleFiles): Promise<boolean> {
  try {
    await files.stat("/", { user: USUAL, signal: AbortSignal.timeout(LOOK_MS) });
    return true;
  } catch (error) {
    if (WrennError.is(error, "user_not_found")) return false;
    throw error;
  }
}
