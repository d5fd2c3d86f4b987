import { formatId, parseId } from "@wrenn/core";
import type { LiveSession } from "@wrenn/database";
import { Type } from "typebox";
import type { SignedTokens } from "../secrets/signed-tokens.ts";

export const TOKEN_LIFETIME_SEC = 15 * 60;
const AUDIENCE = "wrenn:people";

const Claims = Type.Object({ sub: Type.String(), sid: Type.String(), team_id: Type.String() });

/** What a token claims; whether it still holds is the session's to say. */
export interface AccessClaims {
  readonly userId: string;
  readonly sessionId: string;
  readonly teamId: string;
}

/** Short-lived tokens of sessions (docs/reference/control-plane.md#access-tokens). */
export class AccessTokens {
  readonly #signed: SignedTokens;

  constructor(signed: SignedTokens) {
    this.#signed = signed;
  }

  async sign(session: LiveSession): Promise<string> {
    const claims = {
      sid: session.id,
      team_id: formatId("team", session.teamId),
      role: session.role,
      email: session.email,
      name: session.name,
      ...(session.isAdmin ? { is_admin: true } : {}),
    };
    return await this.#signed.sign(AUDIENCE, formatId("user", session.userId), claims, TOKEN_LIFETIME_SEC);
  }

  /** @throws WrennError `token_invalid` for one that is not ours, or over. */
  async verify(token: string): Promise<AccessClaims> {
    return await this.#signed.verify(AUDIENCE, token, Claims, ({ sub, sid, team_id: team }) => ({
      userId: parseId("user", sub),
      sessionId: sid,
      teamId: parseId("team", team),
    }));
  }
}
