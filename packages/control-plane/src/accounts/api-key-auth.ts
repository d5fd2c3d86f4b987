import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { apiKeyQueries } from "@wrenn/database";
import type { Database, KeyGrant } from "@wrenn/database";
import type { Identity } from "../http/identity.ts";

/** The platform's own keys, and those in the form that clients of E2B take. */
const KEY = /^(?:wrn_[0-9a-f]{32}|e2b_[0-9a-f]{40})$/;
/** A revoked key works at most this long, even when its revocation is not notified. */
const CACHE_MS = 2000;
const CACHE_SIZE = 10_000;
/** Use is written down in batches: one row update for many requests. */
const TOUCH_MS = 10_000;

interface Cached extends KeyGrant {
  readonly until: number;
}

/** Finds the team of an API key (docs/reference/rest-api.md#credentials). */
export class ApiKeyAuth {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #cache = new Map<string, Cached>();
  readonly #used = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(database: Database, clock: Clock, logger: Logger) {
    this.#database = database;
    this.#clock = clock;
    this.#timer = setInterval(() => {
      this.flush().catch((error: unknown) => logger.warn("auth.touch_failed", { problem: String(error) }));
    }, TOUCH_MS);
    this.#timer.unref();
  }

  /** @throws WrennError `credentials_missing`, `api_key_invalid`. */
  async authenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    const key = headers["x-api-key"];
    if (typeof key !== "string" || key === "") throw new WrennError("credentials_missing", {});
    if (!KEY.test(key)) throw new WrennError("api_key_invalid", {});
    const print = hashApiKey(key);
    const found = this.#fresh(print) ?? (await this.#lookUp(print));
    if (!found) throw new WrennError("api_key_invalid", {});
    this.#used.add(found.keyId);
    return {
      teamId: found.teamId,
      key: { id: found.keyId, name: found.name, scopes: found.scopes },
    };
  }

  /** Makes a key that was just revoked, or the keys of a team, useless at once; without it every key is looked up again. */
  forget(ended?: { readonly kind: "key" | "team"; readonly id: string }): void {
    if (!ended) this.#cache.clear();
    else
      for (const [hash, { keyId, teamId }] of this.#cache)
        if ({ key: keyId, team: teamId }[ended.kind] === ended.id) this.#cache.delete(hash);
  }

  /** Writes down which keys were used. */
  async flush(): Promise<void> {
    const ids = [...this.#used];
    this.#used.clear();
    await apiKeyQueries.touchApiKeys(this.#database.db, ids, new Date(this.#clock.now()));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  #fresh(hash: string): Cached | undefined {
    const cached = this.#cache.get(hash);
    return cached && cached.until > this.#clock.monotonic() ? cached : undefined;
  }

  async #lookUp(hash: string): Promise<Cached | undefined> {
    const key = await apiKeyQueries.findApiKey(this.#database.db, hash, new Date(this.#clock.now()));
    if (!key) {
      this.#cache.delete(hash);
      return undefined;
    }
    const cached = { ...key, until: this.#clock.monotonic() + CACHE_MS };
    if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
    this.#cache.set(hash, cached);
    return cached;
  }
}

/** Keys are stored as this only: a random key needs no slow hash. */
export function hashApiKey(key: string): string {
  return hash("sha256", key, "hex");
}
