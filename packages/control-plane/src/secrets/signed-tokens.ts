import { randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { signingKeyQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { jwtVerify, SignJWT } from "jose";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";

const ISSUER = "wrenn";
const ALGORITHM = "HS256";
const KEY_BYTES = 32;

/** Tokens that carry claims (JWT, RFC 7519), signed with a key that the database keeps for all its control planes. */
export class SignedTokens {
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  readonly #current: string;
  readonly #clock: Clock;

  private constructor(keys: ReadonlyMap<string, Uint8Array>, current: string, clock: Clock) {
    this.#keys = keys;
    this.#current = current;
    this.#clock = clock;
  }

  static async open(database: Database, clock: Clock, random: Random): Promise<SignedTokens> {
    const fresh = { kid: randomHex(random, 8), secret: random.bytes(KEY_BYTES) };
    const keys = await signingKeyQueries.ensureSigningKey(database.db, fresh);
    return new SignedTokens(new Map(keys.map((key) => [key.kid, key.secret])), keys[0].kid, clock);
  }

  async sign(
    subject: string,
    claims: Readonly<Record<string, string | boolean>>,
    lifetimeSec: number,
  ): Promise<string> {
    const now = Math.floor(this.#clock.now() / 1000);
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#current, typ: "JWT" })
      .setIssuer(ISSUER)
      .setSubject(subject)
      .setIssuedAt(now)
      .setExpirationTime(now + lifetimeSec)
      .sign(this.#key(this.#current));
  }

  /**
   * What `read` makes of the claims of a token that is ours, of this shape, and not over.
   *
   * @throws WrennError `token_invalid`, also when `read` throws.
   */
  async verify<S extends TSchema, T>(token: string, shape: S, read: (claims: Static<S>) => T): Promise<T> {
    try {
      const { payload } = await jwtVerify(token, (header) => this.#key(header.kid), {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        currentDate: new Date(this.#clock.now()),
      });
      return read(Value.Parse(shape, payload));
    } catch (error) {
      throw new WrennError("token_invalid", {}, { cause: error });
    }
  }

  #key(kid: string | undefined): Uint8Array {
    const key = this.#keys.get(kid ?? "");
    if (!key) throw new WrennError("token_invalid", {});
    return key;
  }
}
