import { createHash } from "node:crypto";

/** PKCE, method S256 (RFC 7636 §4.2). */
export function codeChallenge(verifier: string): Readonly<Record<string, string>> {
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  return { code_challenge: challenge, code_challenge_method: "S256" };
}
