import { ConcurrencyLimit } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import type { SandboxTokens } from "../../access/sandbox-tokens.ts";
import { sandboxIdOf } from "../../sandbox-id.ts";
import { isSignedWith } from "./signatures.ts";
import type { SignedAddress } from "./signatures.ts";

/** Running sandboxes that one address is compared with. */
const MOST_SANDBOXES = 10_000;
/** Comparisons between two turns of the event loop. */
const BATCH = 500;
/** Searches at a time: anyone can ask for one. */
const SEARCHES = 2;
const SEARCH_MS = 10_000;

/** Finds the sandbox of a signed address that does not name it, as clients with one base address for all of them send. */
export class SignedSandboxes {
  readonly #database: Database;
  readonly #tokens: SandboxTokens;
  readonly #searches = new ConcurrencyLimit(SEARCHES);

  constructor(database: Database, tokens: SandboxTokens) {
    this.#database = database;
    this.#tokens = tokens;
  }

  /** The id of the running sandbox with whose token the address was signed, expired or not. */
  async find(address: SignedAddress): Promise<string | undefined> {
    return await this.#searches.run(() => this.#search(address), AbortSignal.timeout(SEARCH_MS));
  }

  async #search(address: SignedAddress): Promise<string | undefined> {
    const ids = await capsuleQueries.listRunningIds(this.#database.db, MOST_SANDBOXES);
    for (const [index, id] of ids.entries()) {
      if (isSignedWith(address, this.#tokens.envd(id))) return sandboxIdOf(id);
      if (index % BATCH === BATCH - 1) await new Promise((resolve) => void setImmediate(resolve));
    }
    return undefined;
  }
}
