/** What a member of a team may do there. */
export type TeamRole = "owner" | "admin" | "member";

/** Who is logged in, and the team that they act in. */
export interface Person {
  readonly userId: string;
  readonly teamId: string;
  readonly email: string;
  readonly name: string;
  readonly role: TeamRole;
  /** Administrator of the platform. */
  readonly isAdmin: boolean;
}

/** An answer that logs in (docs/reference/rest-api.md#accounts). */
export interface AuthAnswer {
  readonly token: string;
  readonly user_id: string;
  readonly team_id: string;
  readonly email: string;
  readonly name: string;
}

/** Of a token that does not say when it was issued. */
const DEFAULT_LIFETIME_SEC = 15 * 60;

interface Claims {
  readonly exp: number;
  readonly iat?: number;
  readonly role?: string;
  readonly is_admin?: boolean;
}

/** A token that a person's requests carry. */
export interface AccessToken {
  readonly value: string;
  readonly issuedFor: Person;
  /** How long it works from its arrival, in ms: the clocks of browser and server may differ. */
  readonly lifetimeMs: number;
}

/** The token of an answer, and the person as its claims and the answer name them. */
export function readAuthAnswer(answer: AuthAnswer): AccessToken {
  const claims = claimsOf(answer.token);
  const role = claims.role === "owner" || claims.role === "admin" ? claims.role : "member";
  return {
    value: answer.token,
    issuedFor: {
      userId: answer.user_id,
      teamId: answer.team_id,
      email: answer.email,
      name: answer.name,
      role,
      isAdmin: claims.is_admin === true,
    },
    lifetimeMs: (claims.exp - (claims.iat ?? claims.exp - DEFAULT_LIFETIME_SEC)) * 1000,
  };
}

/** The claims of a token (RFC 7519 §3), which the server has signed: nothing is decided here. */
function claimsOf(token: string): Claims {
  const [, payload = ""] = token.split(".");
  const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (one) =>
    one.charCodeAt(0),
  );
  return JSON.parse(new TextDecoder().decode(bytes)) as Claims;
}
