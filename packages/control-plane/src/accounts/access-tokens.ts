import { formatId, parseId, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { ensureSigningKey } from "@wrenn/database";
import type { Database, LiveSession } from "@wrenn/database";
import { jwtVerify, SignJWT } from "jose";
import { Type } from "typebox";
import { Value } from "typebox/value";

const LIFETIME_S = 15 * 60;
const ISSUER = "wrenn";
const ALGORITHM = "HS256";
const KEY_BYTES = 32;

const Claims = Type.Object({ sub: Type.String(), sid: Type.String(), team_id: Type.String() });

/** What a token claims; whether it still holds is the session's to say. */
export interface AccessClaims {
  readonly userId: string;
  readonly sessionId: string;
  readonly teamId: string;
}

/** Short-lived tokens of sessions (contract 20 §2.1), signed with a key that the database keeps. */
export class AccessTokens {
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  readonly #current: string;
  readonly #clock: Clock;

  private constructor(keys: ReadonlyMap<string, Uint8Array>, current: string, clock: Clock) {
    this.#keys = keys;
    this.#current = current;
    this.#clock = clock;
  }

  static async open(database: Database, clock: Clock, random: Random): Promise<AccessTokens> {
    const fresh = { kid: randomHex(random, 8), secret: random.bytes(KEY_BYTES) };
    const keys = await ensureSigningKey(database.db, fresh);
    return new AccessTokens(new Map(keys.map((key) => [key.kid, key.secret])), keys[0].kid, clock);
  }

  async sign(session: LiveSession): Promise<string> {
    const now = Math.floor(this.#clock.now() / 1000);
    const claims = {
      sid: session.id,
      team_id: formatId("team", session.teamId),
      role: session.role,
      email: session.email,
      name: session.name,
      ...(session.isAdmin ? { is_admin: true } : {}),
    };
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#current, typ: "JWT" })
      .setIssuer(ISSUER)
      .setSubject(formatId("user", session.userId))
      .setIssuedAt(now)
      .setExpirationTime(now + LIFETIME_S)
      .sign(this.#key(this.#current));
  }

  /** @throws WrennError `token_invalid` for one that is not ours, or over. */
  async verify(token: string): Promise<AccessClaims> {
    try {
      const { payload } = await jwtVerify(token, (header) => this.#key(header.kid), {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        currentDate: new Date(this.#clock.now()),
      });
      const { sub, sid, team_id: team } = Value.Parse(Claims, payload);
      return { userId: parseId("user", sub), sessionId: sid, teamId: parseId("team", team) };
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
