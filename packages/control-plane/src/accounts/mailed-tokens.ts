import { randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { oneTimeTokenQueries, userQueries } from "@wrenn/database";
import type { Trx, UserRow } from "@wrenn/database";
import { hashToken } from "./sessions.ts";

const TOKEN_BYTES = 32;

type MailedPurpose = "activation" | "password_reset";

export interface MailedTokensDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** What a mail with a token needs to know about it. */
export interface IssuedToken {
  readonly token: string;
  readonly tokenHash: string;
  readonly expiresAt: Date;
}

/** One-time tokens that people get by mail (docs/reference/control-plane.md#mailed-tokens). The database has their hashes. */
export class MailedTokens {
  readonly #deps: MailedTokensDeps;

  constructor(deps: MailedTokensDeps) {
    this.#deps = deps;
  }

  /** @param browserHash - of the secret of the browser that asks for it. */
  async issue(
    trx: Trx,
    purpose: MailedPurpose,
    userId: string,
    ms: number,
    browserHash?: string,
  ): Promise<IssuedToken> {
    const token = randomHex(this.#deps.random, TOKEN_BYTES);
    const tokenHash = hashToken(token);
    const expiresAt = new Date(this.#deps.clock.now() + ms);
    await oneTimeTokenQueries.putOneTimeToken(trx, {
      hash: tokenHash,
      purpose,
      userId,
      expiresAt,
      browserHash: browserHash ?? null,
    });
    return { token, tokenHash, expiresAt };
  }

  /** Uses a token up, unless the transaction is undone. @throws WrennError `one_time_token_invalid`. */
  async take(
    trx: Trx,
    purpose: MailedPurpose,
    token: string,
  ): Promise<{ readonly user: UserRow; readonly browserHash: string | null }> {
    const now = new Date(this.#deps.clock.now());
    const taken = await oneTimeTokenQueries.takeOneTimeToken(trx, hashToken(token), purpose, now);
    const user = taken?.userId ? await userQueries.findUser(trx, taken.userId) : undefined;
    if (!taken || !user) throw new WrennError("one_time_token_invalid", {});
    return { user, browserHash: taken.browserHash };
  }
}
