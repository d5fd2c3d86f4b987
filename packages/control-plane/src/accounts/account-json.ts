import { formatId } from "@wrenn/core";
import type { LiveSession } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";

/** Longer ones only cost time to hash. */
const MAX_PASSWORD = 1024;

export const Email = Type.String({ maxLength: 254, description: "Trimmed and lower-cased; contains @" });
export const Password = Type.String({ minLength: 8, maxLength: MAX_PASSWORD });
export const GivenPassword = Type.String({ maxLength: MAX_PASSWORD });
export const PersonName = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: String.raw`^(?=.*\S)[^\p{Cc}\p{Cs}]*$`,
});
export const OneTimeToken = Type.String({ pattern: "^[0-9a-f]{64}$", description: "From the mailed link" });

/** The auth response (docs/reference/rest-api.md#accounts). */
export const AuthResponse = Type.Object({
  token: Type.String({ description: "For Authorization: Bearer; works 15 minutes" }),
  user_id: Type.String(),
  team_id: Type.String(),
  email: Type.String(),
  name: Type.String(),
});

export function authJson(opened: {
  readonly session: LiveSession;
  readonly token: string;
}): Static<typeof AuthResponse> {
  const { session, token } = opened;
  return {
    token,
    user_id: formatId("user", session.userId),
    team_id: formatId("team", session.teamId),
    email: session.email,
    name: session.name,
  };
}
