import { DAY_MS, problemOf, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { signingKeyQueries } from "@wrenn/database";
import type { Database, SigningKey } from "@wrenn/database";
import type { JWTPayload } from "jose";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";

const ISSUER = "wrenn";
const ALGORITHM = "HS256";
const KEY_BYTES = 32;
const HOUR_MS = DAY_MS / 24;
const RENEW_MS = 30 * DAY_MS;
/** Longer than any token lives. */
const KEEP_MS = 8 * DAY_MS;
/** Other control planes may have made a key. Clients that send unknown ones make the database be asked at most this often. */
const RELOAD_MS = 1000;

/** Loaded when a token is made or shown for the first time: API keys need none. */
const loadJose = async () => await import("jose");

/** Whom a token is for. One for the others is worth nothing here. */
export type TokenAudience = "wrenn:people" | "wrenn:hosts";

export interface SignedTokensDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Tokens that carry claims (JWT, RFC 7519), signed with keys that the database keeps for all its control planes. A key signs for 30
 * days; it is deleted when nothing that it signed is still good.
 */
export class SignedTokens {
  readonly #deps: SignedTokensDeps;
  readonly #timer: NodeJS.Timeout;
  #keys: ReadonlyMap<string, SigningKey> = new Map();
  #current = "";
  #reloadedAt = -Infinity;

  private constructor(deps: SignedTokensDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => {
      this.rotate().catch((error: unknown) =>
        deps.logger.warn("signing_keys.rotation_failed", { problem: problemOf(error) }),
      );
    }, HOUR_MS).unref();
  }

  static async open(deps: SignedTokensDeps): Promise<SignedTokens> {
    const tokens = new SignedTokens(deps);
    await tokens.rotate();
    return tokens;
  }

  /** Makes a key when it is time for one, deletes keys that are not needed, and takes over those of other control planes. */
  async rotate(): Promise<void> {
    const { database, clock, random } = this.#deps;
    const fresh = { kid: randomHex(random, 8), secret: random.bytes(KEY_BYTES) };
    const now = clock.now();
    this.#take(
      await signingKeyQueries.rotateSigningKeys(database.db, fresh, {
        now: new Date(now),
        renewBefore: new Date(now - RENEW_MS),
        deleteBefore: new Date(now - KEEP_MS),
      }),
    );
  }

  async sign(
    audience: TokenAudience,
    subject: string,
    claims: Readonly<Record<string, string | boolean>>,
    lifetimeSec: number,
  ): Promise<string> {
    const now = Math.floor(this.#deps.clock.now() / 1000);
    const { SignJWT } = await loadJose();
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#current, typ: "JWT" })
      .setIssuer(ISSUER)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt(now)
      .setExpirationTime(now + lifetimeSec)
      .sign(this.#key(this.#current).secret);
  }

  /**
   * What `read` makes of the claims of a token that is ours, for this audience, of this shape, and not over.
   *
   * @throws WrennError `token_invalid`, also when `read` throws.
   */
  async verify<S extends TSchema, T>(
    audience: TokenAudience,
    token: string,
    shape: S,
    read: (claims: Static<S>) => T,
  ): Promise<T> {
    const { decodeProtectedHeader, jwtVerify } = await loadJose();
    const kid = kidOf(token, decodeProtectedHeader);
    if (kid !== undefined && !this.#keys.has(kid)) await this.#reload();
    try {
      const { payload, protectedHeader } = await jwtVerify(token, (header) => this.#key(header.kid).secret, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        currentDate: new Date(this.#deps.clock.now()),
      });
      if (!isFor(audience, payload, this.#key(protectedHeader.kid)))
        throw new WrennError("token_invalid", {});
      return read(Value.Parse(shape, payload));
    } catch (error) {
      throw new WrennError("token_invalid", {}, { cause: error });
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #reload(): Promise<void> {
    const { database, clock } = this.#deps;
    if (clock.monotonic() - this.#reloadedAt < RELOAD_MS) return;
    this.#reloadedAt = clock.monotonic();
    this.#take(await signingKeyQueries.listSigningKeys(database.db));
  }

  #key(kid = ""): SigningKey {
    const key = this.#keys.get(kid);
    if (!key) throw new WrennError("token_invalid", {});
    return key;
  }

  #take(keys: readonly SigningKey[]): void {
    this.#keys = new Map(keys.map((key) => [key.kid, key]));
    this.#current = keys[0]?.kid ?? "";
  }
}

function kidOf(token: string, decode: (token: string) => { readonly kid?: string }): string | undefined {
  try {
    return decode(token).kid;
  } catch {
    return undefined;
  }
}

/** Tokens of keys of before name no one; they end within a week of the upgrade. */
function isFor(audience: TokenAudience, { aud }: JWTPayload, { requiresAudience }: SigningKey): boolean {
  return aud === audience || (aud === undefined && !requiresAudience);
}
