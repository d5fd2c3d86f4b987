import { createHmac, timingSafeEqual } from "node:crypto";
import type { SignInAttempt } from "./identity-provider.ts";

/**
 * What one attempt uses, all of it derived from the secret in the browser's cookie: the database, which keeps only the secret's
 * hash, can neither finish an attempt nor forge the browser's part in it.
 */
export function deriveAttempt(secret: string, redirectUri: string): SignInAttempt {
  const derive = (what: string): string => createHmac("sha256", secret).update(what).digest("base64url");
  return { state: derive("state"), nonce: derive("nonce"), verifier: derive("verifier"), redirectUri };
}

/** Whether a state that came back is that of the attempt. */
export function matchesState(attempt: SignInAttempt, state: string | undefined): boolean {
  const [own, given] = [Buffer.from(attempt.state), Buffer.from(state ?? "")];
  return own.length === given.length && timingSafeEqual(own, given);
}
